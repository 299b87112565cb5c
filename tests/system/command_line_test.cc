// homolog's exit codes and streams.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tiny_model.h"
#include "tests/system/binaries.h"

namespace homolog::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CommandLineTest : public ::testing::Test {
 protected:
  CommandLineTest() {
    for (const char* model : {"a", "b"}) {
      WriteTinyModel(folder_ / "models" / model / "1", {.seed = model[0] * 1u});
    }
    server_ = std::make_unique<ServerProcess>(folder_);
    server_->WaitUntilReady();
    WriteFile(folder_ / "text", std::string(2000, 'x') + "some more text");
  }
  ProcessResult Client(std::vector<std::string> arguments) { return server_->Client(arguments); }

  TemporaryFolder folder_;
  std::unique_ptr<ServerProcess> server_;
};

TEST_F(CommandLineTest, ExitsDifferentlyForBadUsageNotFoundAndUnavailable) {
  EXPECT_EQ(Client({"checkpoints", "list"}).exit_code, 0);
  EXPECT_EQ(Client({"checkpoints", "frobnicate"}).exit_code, 2);
  EXPECT_EQ(Client({"neurons", "query", "--correlation", "x", "--threshold", "abc"}).exit_code, 2);
  EXPECT_EQ(Client({"checkpoints", "show", "none/1"}).exit_code, 3);
  EXPECT_EQ(Client({"datasets", "show", "none"}).exit_code, 3);
  EXPECT_EQ(
      RunProcess({Binary("homolog"), "--server", "localhost:1", "checkpoints", "list"}).exit_code,
      4);
}

TEST_F(CommandLineTest, PrintsErrorsOnStandardErrorAndNothingOnStandardOutput) {
  const ProcessResult result = Client({"checkpoints", "show", "none/1"});
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(result.err, HasSubstr("NOT_FOUND"));
  EXPECT_THAT(result.err, HasSubstr("models/none/checkpoints/1"));
}

TEST_F(CommandLineTest, TakesFullNamesAndShortOnes) {
  EXPECT_EQ(Client({"checkpoints", "show", "a/1"}).out,
            Client({"checkpoints", "show", "models/a/checkpoints/1"}).out);
}

TEST_F(CommandLineTest, LoadsAndUnloadsCheckpoints) {
  EXPECT_EQ(server_->ClientJson({"checkpoints", "load", "a/1"})["state"],
            "CHECKPOINT_STATE_LOADED");
  EXPECT_EQ(server_->ClientJson({"checkpoints", "unload", "a/1"})["state"],
            "CHECKPOINT_STATE_AVAILABLE");
}

TEST_F(CommandLineTest, PrintsTheOperationWithoutWaitingAndFollowsItLater) {
  ASSERT_EQ(Client({"datasets", "create", "t", "--text", folder_ / "text", "--checkpoint", "a/1"})
                .exit_code,
            0);
  const nlohmann::json operation =
      server_->ClientJson({"correlations", "compute", "--reference", "a/1", "--partners", "b/1",
                           "--dataset", "t", "--no-wait"});
  const std::string name = operation["name"];
  EXPECT_THAT(name, ::testing::StartsWith("operations/"));
  const nlohmann::json ended = server_->ClientJson({"operations", "wait", name});
  EXPECT_EQ(ended["state"], "OPERATION_STATE_SUCCEEDED");
  EXPECT_EQ(ended["result"], operation["result"]);
  EXPECT_EQ(server_->ClientJson({"operations", "list"})["operations"].size(), 1u);
  EXPECT_EQ(server_->ClientJson({"operations", "show", name})["name"], name);
  EXPECT_EQ(Client({"operations", "watch", name}).exit_code, 0);
  EXPECT_EQ(Client({"operations", "cancel", name}).exit_code, 0);
  EXPECT_EQ(Client({"operations", "delete", name}).exit_code, 0);
  EXPECT_EQ(Client({"operations", "show", name}).exit_code, 3);
}

TEST_F(CommandLineTest, CreatesListsAndDeletesDatasets) {
  ASSERT_EQ(Client({"datasets", "create", "t", "--text", folder_ / "text", "--checkpoint", "a/1",
                    "--sequence-length", "20"})
                .exit_code,
            0);
  const nlohmann::json list = server_->ClientJson({"datasets", "list"});
  ASSERT_EQ(list["datasets"].size(), 1u);
  EXPECT_EQ(list["datasets"][0]["sequence_length"], "20");
  EXPECT_EQ(Client({"datasets", "delete", "t"}).exit_code, 0);
  EXPECT_EQ(Client({"datasets", "show", "t"}).exit_code, 3);
  EXPECT_EQ(
      Client({"datasets", "create", "t", "--text", folder_ / "no such file", "--checkpoint", "a/1"})
          .exit_code,
      3);
}

}  // namespace
}  // namespace homolog::testing
