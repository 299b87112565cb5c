#include "server/training/workers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "common/error.h"

namespace homolog::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

WorkerCommand Shell(const std::string& name, const std::string& script) {
  return {name, {"/bin/sh", "-c", script}};
}

class WorkersTest : public ::testing::Test {
 protected:
  absl::Status Run(const std::vector<WorkerCommand>& commands, int64_t jobs = 4) {
    const WorkerEvents events = {
        [this](const Report& report) { reports_.push_back(report); },
        [this](const std::string& line) { messages_.push_back(line); },
        [this] {
          return stop_after_reports_ >= 0 &&
                 static_cast<int64_t>(reports_.size()) >= stop_after_reports_;
        },
    };
    return RunWorkers(commands, jobs, events);
  }

  std::vector<Report> reports_;
  std::vector<std::string> messages_;
  int64_t stop_after_reports_ = -1;  // -1: never
};

TEST_F(WorkersTest, GatherReportsAndMessages) {
  const Report report = {3, 17, 2.5, std::nullopt, true};
  const absl::Status status =
      Run({Shell("seed 3", "echo '" + SerializeReport(report) + "' >&3; echo careful >&2"),
           Shell("seed 4", "printf unfinished >&2; echo 'no report' >&3")});
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(reports_, ElementsAre(report));
  EXPECT_THAT(messages_, UnorderedElementsAre("seed 3: careful", "seed 4: unfinished"));
}

TEST_F(WorkersTest, SayWhoFailedAndLetTheOthersFinish) {
  const absl::Status status =
      Run({Shell("seed 0", "exit 4"), Shell("seed 1", "sleep 0.2; echo done >&2")});
  EXPECT_EQ(ErrorReason(status), "WORKER_FAILED");
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("seed 0"), HasSubstr("exit code 4")));
  EXPECT_THAT(messages_, ElementsAre("seed 1: done"));
}

TEST_F(WorkersTest, SayWhoWasKilled) {
  const absl::Status status = Run({Shell("seed 0", "kill -KILL $$")});
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("seed 0"), HasSubstr("signal 9")));
}

TEST_F(WorkersTest, SayWhatCannotBeStarted) {
  const absl::Status status = Run({{"seed 0", {"/nowhere/homolog-train"}}});
  EXPECT_EQ(ErrorReason(status), "WORKER_FAILED");
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nowhere/homolog-train"));
}

TEST_F(WorkersTest, RunNoMoreThanAllowedAtOnce) {
  const std::string begin = SerializeReport({0, 1, {}, {}, false});
  const std::string end = SerializeReport({0, 2, {}, {}, false});
  const WorkerCommand command =
      Shell("seed 0", "echo '" + begin + "' >&3; sleep 0.05; echo '" + end + "' >&3");
  ASSERT_TRUE(Run({command, command, command}, /*jobs=*/1).ok());
  std::vector<int64_t> steps;
  for (const Report& report : reports_) steps.push_back(report.step);
  EXPECT_THAT(steps, ElementsAre(1, 2, 1, 2, 1, 2));
}

TEST_F(WorkersTest, AreTerminatedWhenStopped) {
  stop_after_reports_ = 1;
  const std::string script = "trap 'echo stopped >&2; exit 1' TERM; echo '" +
                             SerializeReport({0, 1, {}, {}, false}) +
                             "' >&3; while :; do sleep 0.05; done";
  const absl::Status status = Run({Shell("seed 0", script), Shell("seed 1", "echo never >&2")}, 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(messages_, ElementsAre("seed 0: stopped"));
}

TEST_F(WorkersTest, TakeManyLinesAtOnce) {
  const absl::Status status = Run({Shell("seed 0", "seq 1 20000 >&2; exit 0")});
  EXPECT_TRUE(status.ok()) << status;
  ASSERT_EQ(messages_.size(), 20000u);
  EXPECT_EQ(messages_.back(), "seed 0: 20000");
}

TEST_F(WorkersTest, DoNothingWithoutCommands) {
  EXPECT_TRUE(Run({}).ok());
  EXPECT_THAT(messages_, IsEmpty());
}

}  // namespace
}  // namespace homolog::training
