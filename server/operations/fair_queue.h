// A queue in which clients take turns: each client's tasks run in the order they came, and of many
// clients' tasks one of each in turn.
//
// Thread-safety: one thread at a time.
#ifndef HOMOLOG_SERVER_OPERATIONS_FAIR_QUEUE_H_
#define HOMOLOG_SERVER_OPERATIONS_FAIR_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>
#include <list>
#include <string>
#include <utility>
#include <vector>

namespace homolog::operations {

template <typename Task>
class FairQueue {
 public:
  void Push(const std::string& client, Task task) {
    ++size_;
    for (Turn& turn : turns_) {
      if (turn.client == client) return turn.tasks.push_back(std::move(task));
    }
    turns_.push_back({client, {}});
    turns_.back().tasks.push_back(std::move(task));
  }

  // The next task and its client, who then goes to the end of the turns. Not empty.
  std::pair<std::string, Task> Pop() {
    Turn& turn = turns_.front();
    std::pair<std::string, Task> next(turn.client, std::move(turn.tasks.front()));
    turn.tasks.pop_front();
    --size_;
    if (turn.tasks.empty()) {
      turns_.pop_front();
    } else {
      turns_.splice(turns_.end(), turns_, turns_.begin());
    }
    return next;
  }

  // Moves the tasks of `client` that `matches` to the end of `removed`.
  template <typename Matches>
  void Remove(const std::string& client, const Matches& matches, std::vector<Task>& removed) {
    for (auto turn = turns_.begin(); turn != turns_.end(); ++turn) {
      if (turn->client != client) continue;
      const auto gone = std::stable_partition(turn->tasks.begin(), turn->tasks.end(),
                                              [&](const Task& task) { return !matches(task); });
      size_ -= turn->tasks.end() - gone;
      std::move(gone, turn->tasks.end(), std::back_inserter(removed));
      turn->tasks.erase(gone, turn->tasks.end());
      if (turn->tasks.empty()) turns_.erase(turn);
      return;
    }
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Whether anybody but `client` has a task.
  bool HasOther(const std::string& client) const {
    return turns_.size() > 1 || (turns_.size() == 1 && turns_.front().client != client);
  }

 private:
  struct Turn {
    std::string client;
    std::deque<Task> tasks;
  };
  std::list<Turn> turns_;  // of clients that have a task
  size_t size_ = 0;
};

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_FAIR_QUEUE_H_
