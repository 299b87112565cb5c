#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "tests/integration/extract.h"

namespace homolog::testing {
namespace {

using ::testing::ElementsAre;

class ActivationsTest : public ServerTest {
 protected:
  static v1::ExtractActivationsRequest Request() {
    v1::ExtractActivationsRequest request;
    request.set_checkpoint("models/a/checkpoints/1");
    request.set_dataset("datasets/text");
    return request;
  }
};

TEST_F(ActivationsTest, StreamsEveryLayerAndNeuronByDefault) {
  StartServer();
  CreateTextDataset();
  const Extracted all = Extract(analysis(), Request());
  ASSERT_TRUE(all.status.ok()) << all.status;
  EXPECT_THAT(all.header.layers(), ElementsAre(0, 1));
  EXPECT_EQ(all.header.neurons_size(), 24);
  EXPECT_EQ(all.header.positions(), 40 * 32);
  EXPECT_EQ(all.layers.at(0).size(), 40 * 32 * 24 * sizeof(float));
  EXPECT_EQ(all.layers.at(1).size(), 40 * 32 * 24 * sizeof(float));
}

TEST_F(ActivationsTest, StreamsTheChosenLayersAndNeurons) {
  StartServer();
  CreateTextDataset();
  const std::vector<float> all = Floats(Extract(analysis(), Request()).layers.at(1));
  v1::ExtractActivationsRequest request = Request();
  request.add_layers(1);
  request.add_neurons(5);
  request.add_neurons(9);
  const Extracted chosen = Extract(analysis(), request);
  ASSERT_TRUE(chosen.status.ok()) << chosen.status;
  ASSERT_EQ(chosen.layers.size(), 1u);
  const std::vector<float> columns = Floats(chosen.layers.at(1));
  ASSERT_EQ(columns.size(), 40 * 32 * 2u);
  for (size_t p = 0; p < 40 * 32; ++p) {
    EXPECT_EQ(columns[2 * p], all[24 * p + 5]);
    EXPECT_EQ(columns[2 * p + 1], all[24 * p + 9]);
  }
}

TEST_F(ActivationsTest, AppliesTheNonlinearityBetweenTheSites) {
  StartServer();
  CreateTextDataset();
  v1::ExtractActivationsRequest request = Request();
  const std::vector<float> post = Floats(Extract(analysis(), request).layers.at(0));
  request.set_site(v1::SITE_MLP_PRE);
  const std::vector<float> pre = Floats(Extract(analysis(), request).layers.at(0));
  ASSERT_EQ(pre.size(), post.size());
  for (size_t i = 0; i < pre.size(); ++i) {
    const double x = pre[i];
    const double gelu_new =
        0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    ASSERT_NEAR(post[i], gelu_new, 1e-5) << "at " << i;
  }
}

TEST_F(ActivationsTest, SendsFloat16WhereItIsAskedFor) {
  StartServer();
  CreateTextDataset();
  v1::ExtractActivationsRequest request = Request();
  const std::vector<float> single = Floats(Extract(analysis(), request).layers.at(0));
  request.set_data_type(v1::DATA_TYPE_FLOAT16);
  const Extracted half = Extract(analysis(), request);
  ASSERT_TRUE(half.status.ok()) << half.status;
  const std::string& packed = half.layers.at(0);
  ASSERT_EQ(packed.size(), single.size() * 2);
  for (size_t i = 0; i < single.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, packed.data() + 2 * i, 2);
    const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const double magnitude =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    ASSERT_NEAR((bits >> 15) ? -magnitude : magnitude, single[i],
                std::max(6e-8, std::abs(single[i]) * 0x1p-11));
  }
}

TEST_F(ActivationsTest, EndsWhereTheClientGoesAwayAndServesOn) {
  StartServer();
  v1::DatasetSpec spec;
  spec.set_dataset_id("long");
  spec.set_checkpoint("models/a/checkpoints/1");
  ASSERT_TRUE(CreateDataset(spec, SampleText(2000000), 1 << 20).ok());
  v1::ExtractActivationsRequest request = Request();
  request.set_dataset("datasets/long");
  {
    grpc::ClientContext context;
    auto reader = analysis().ExtractActivations(&context, request);
    v1::ExtractActivationsResponse message;
    ASSERT_TRUE(reader->Read(&message));
    context.TryCancel();
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  CreateTextDataset();
  EXPECT_TRUE(Extract(analysis(), Request()).status.ok());
  // Nothing holds the checkpoint any more.
  v1::UnloadCheckpointRequest unload;
  unload.set_name("models/a/checkpoints/1");
  for (int attempt = 0;; ++attempt) {
    const auto unloaded =
        Unary(checkpoints(), &v1::CheckpointService::Stub::UnloadCheckpoint, unload);
    if (unloaded.ok()) break;
    ASSERT_LT(attempt, 1000) << unloaded.status();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace
}  // namespace homolog::testing
