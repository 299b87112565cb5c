// From text to universal neurons with the real binaries.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>

#include <sstream>

#include "common/safetensors.h"
#include "tests/system/binaries.h"

namespace homolog::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Text(int sentences) {
  std::string text;
  for (int i = 0; i < sentences; ++i) {
    text += i % 3 == 0   ? "a small animal that lives in water; "
            : i % 3 == 1 ? "the act of moving from one place to another\n"
                         : "of or relating to number " + std::to_string(i) + "\n";
  }
  return text;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class WholePathTest : public ::testing::Test {
 protected:
  void Train() {
    WriteFile(folder_ / "text", Text(4000));
    const ProcessResult trained = RunProcess({Binary("homolog-train"),
                                              "--text",
                                              folder_ / "text",
                                              "--out",
                                              folder_ / "models",
                                              "--model",
                                              "seed",
                                              "--seeds",
                                              "0,1,2",
                                              "--steps",
                                              "30",
                                              "--checkpoints",
                                              "10,30",
                                              "--layers",
                                              "2",
                                              "--d-model",
                                              "32",
                                              "--heads",
                                              "2",
                                              "--context",
                                              "32",
                                              "--batch",
                                              "8"});
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
  }
  TemporaryFolder folder_;
};

TEST_F(WholePathTest, TrainsServesCorrelatesQueriesAndAblates) {
  Train();
  ServerProcess server(folder_);
  server.WaitUntilReady();

  const nlohmann::json checkpoints = server.ClientJson({"checkpoints", "list"});
  ASSERT_EQ(checkpoints["checkpoints"].size(), 6u);
  EXPECT_EQ(checkpoints["checkpoints"][0]["name"], "models/seed0/checkpoints/10");

  const ProcessResult created = server.Client(
      {"datasets", "create", "text", "--text", folder_ / "text", "--checkpoint", "seed0/30"});
  ASSERT_EQ(created.exit_code, 0) << created.err;

  const nlohmann::json correlation = server.ClientJson(
      {"correlations", "compute", "--reference", "seed0/30", "--partners", "seed1/30,seed2/30",
       "--dataset", "text", "--baseline", "orthogonal", "--rotations", "2", "--seed", "5"});
  const std::string name = correlation["name"];
  EXPECT_EQ(correlation["reference"]["name"], "models/seed0/checkpoints/30");
  EXPECT_EQ(correlation["parameters"]["baseline"], "BASELINE_ORTHOGONAL");

  const ProcessResult csv = server.Client({"neurons", "query", "--correlation", name, "--threshold",
                                           "-2", "--page-size", "0", "-o", "csv"});
  ASSERT_EQ(csv.exit_code, 0) << csv.err;
  const std::vector<std::string> lines = Lines(csv.out);
  ASSERT_EQ(lines.size(), 1u + 2 * 128);
  EXPECT_THAT(lines[0], StartsWith("layer,neuron,max_corr,max_sim_layer,max_sim_neuron,min_corr,"
                                   "baseline,excess_corr,"));

  const nlohmann::json page = server.ClientJson(
      {"neurons", "query", "--correlation", name, "--threshold", "-2", "--page-size", "3"});
  EXPECT_EQ(page["neurons"].size(), 3u);
  EXPECT_EQ(page["total_size"], "256");

  const nlohmann::json table = server.ClientJson(
      {"neurons", "table", name, "--columns", "0.max_corr,1.max_sim", "--out", folder_ / "table"});
  EXPECT_EQ(table["neuron_count"], 256);
  const std::string column = ReadFile(folder_ / "table/0.max_corr.npy");
  EXPECT_THAT(column, HasSubstr("'shape': (256,)"));
  EXPECT_EQ(column.size(), 128u + 256 * 4);

  const nlohmann::json ablation =
      server.ClientJson({"ablations", "run", "--checkpoint", "seed0/30", "--dataset", "text",
                         "--neurons", "random", "--correlation", name, "--threshold", "0"});
  EXPECT_EQ(ablation["draws"].size(), 5u);
  EXPECT_GT(ablation["effect"]["kl"].get<double>(), 0);
}

TEST_F(WholePathTest, ExtractsActivationsIntoASafetensorsFile) {
  Train();
  ServerProcess server(folder_);
  server.WaitUntilReady();
  ASSERT_EQ(server
                .Client({"datasets", "create", "t", "--text", folder_ / "text", "--checkpoint",
                         "seed0/30", "--max-tokens", "640"})
                .exit_code,
            0);
  const ProcessResult extracted =
      server.Client({"activations", "extract", "--checkpoint", "seed0/30", "--dataset", "t",
                     "--layers", "0,1", "--neurons", "5,9,11", "--out", folder_ / "a.safetensors"});
  ASSERT_EQ(extracted.exit_code, 0) << extracted.err;
  const std::string file = ReadFile(folder_ / "a.safetensors");
  const auto header = ParseSafetensors(file);
  ASSERT_TRUE(header.ok()) << header.status();
  ASSERT_EQ(header->entries.size(), 2u);
  EXPECT_EQ(header->entries[0].name, "mlp_post.0");
  EXPECT_EQ(header->entries[1].name, "mlp_post.1");
  EXPECT_EQ(header->entries[1].shape, (std::vector<int64_t>{640, 3}));
}

TEST_F(WholePathTest, KeepsResultsThroughSigkillAndAnswersFromTheStore) {
  Train();
  const std::vector<std::string> compute = {"correlations", "compute",  "--reference", "seed0/10",
                                            "--partners",   "seed1/10", "--dataset",   "text"};
  nlohmann::json first;
  {
    ServerProcess server(folder_);
    server.WaitUntilReady();
    ASSERT_EQ(server
                  .Client({"datasets", "create", "text", "--text", folder_ / "text", "--checkpoint",
                           "seed0/10"})
                  .exit_code,
              0);
    first = server.ClientJson(compute);
    server.process().Signal(SIGKILL);
    EXPECT_EQ(server.process().Wait(), 128 + SIGKILL);
  }
  ServerProcess server(folder_);
  server.WaitUntilReady();
  EXPECT_EQ(server.ClientJson(compute), first);
  const ProcessResult metrics =
      RunProcess({"/usr/bin/python3", "-c",
                  "import urllib.request as u; "
                  "print(u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:" +
                      std::to_string(server.admin_port()) + "/metrics').read().decode())"});
  EXPECT_THAT(metrics.out, HasSubstr("homolog_store_hits_total 1"));
  EXPECT_THAT(metrics.out, HasSubstr("homolog_store_misses_total 0"));
}

}  // namespace
}  // namespace homolog::testing
