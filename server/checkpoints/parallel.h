// Work on several threads: libtorch's, as many as the process was given.
#ifndef HOMOLOG_SERVER_CHECKPOINTS_PARALLEL_H_
#define HOMOLOG_SERVER_CHECKPOINTS_PARALLEL_H_

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace homolog::checkpoints {

// Calls `body` once with each of 0 to `count` - 1, begun in this order, each thread taking the next
// when it is done with one: they may take unequally long. Returns when all are done. An exception
// of a body comes out of here.
template <typename Body>
void ForEach(int64_t count, const Body& body) {
  std::atomic<int64_t> next = 0;
  at::parallel_for(0, std::min<int64_t>(count, at::get_num_threads()), 1, [&](int64_t, int64_t) {
    for (int64_t i = next++; i < count; i = next++) body(i);
  });
}

}  // namespace homolog::checkpoints

#endif  // HOMOLOG_SERVER_CHECKPOINTS_PARALLEL_H_
