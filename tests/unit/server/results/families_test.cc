#include "server/results/families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "tests/support/temporary_folder.h"

namespace homolog::results {
namespace {

using ::testing::ElementsAre;

class FamiliesStoreTest : public ::testing::Test {
 protected:
  FamiliesStoreTest() : store_(*store::Store::Open((folder_ / "store").string())) {
    manifest_.set_name("families/f");
    manifest_.set_threshold(0.25);
    for (const char* model : {"a", "b", "c"}) {
      v1::ResultCheckpoint& checkpoint = *manifest_.add_checkpoints();
      checkpoint.set_name(std::string("models/") + model + "/checkpoints/1");
      checkpoint.mutable_shape()->set_layers(2);
      checkpoint.mutable_shape()->set_d_mlp(3);
    }
    EXPECT_TRUE(
        PutFamilies(
            *store_, manifest_,
            {{{{0, 4}, {1, 0}, {2, 5}}, 0.75}, {{{0, 1}, {2, 2}}, 0.5}, {{{1, 3}, {2, 3}}, 0.25}})
            .ok());
  }
  absl::StatusOr<v1::ListFamiliesResponse> List(int page_size, const std::string& token = "") {
    v1::ListFamiliesRequest request;
    request.set_parent("families/f");
    request.set_page_size(page_size);
    request.set_page_token(token);
    if (member_) *request.mutable_member() = *member_;
    return ListFamilies(*store_, request);
  }

  homolog::testing::TemporaryFolder folder_;
  std::unique_ptr<store::Store> store_;
  v1::FamilySet manifest_;
  std::optional<v1::FamilyMember> member_;
};

TEST_F(FamiliesStoreTest, ComeBackAsTheyWere) {
  const auto families = ReadFamilies(*store_, "families/f");
  ASSERT_TRUE(families.ok()) << families.status();
  EXPECT_EQ(families->size(), 3);
  EXPECT_THAT(families->Members(0),
              ElementsAre(analysis::FamilyNeuron{0, 4}, analysis::FamilyNeuron{1, 0},
                          analysis::FamilyNeuron{2, 5}));
  EXPECT_THAT(families->Members(2),
              ElementsAre(analysis::FamilyNeuron{1, 3}, analysis::FamilyNeuron{2, 3}));
  EXPECT_THAT(families->mean_excess, ElementsAre(0.75, 0.5, 0.25));
  EXPECT_EQ(families->manifest.family_count(), 3);
  EXPECT_EQ(families->manifest.member_count(), 7);
  ASSERT_EQ(families->manifest.sizes_size(), 2);
  EXPECT_EQ(families->manifest.sizes(0).size(), 2);
  EXPECT_EQ(families->manifest.sizes(0).count(), 2);
}

TEST_F(FamiliesStoreTest, NoFamiliesAreASetToo) {
  manifest_.set_name("families/none");
  ASSERT_TRUE(PutFamilies(*store_, manifest_, {}).ok());
  const auto families = ReadFamilies(*store_, "families/none");
  ASSERT_TRUE(families.ok()) << families.status();
  EXPECT_EQ(families->size(), 0);
}

TEST_F(FamiliesStoreTest, AreListedPageByPage) {
  const auto first = List(2);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->families_size(), 2);
  EXPECT_EQ(first->total_size(), 3);
  EXPECT_EQ(first->families(0).members(2).checkpoint(), "models/c/checkpoints/1");
  EXPECT_EQ(first->families(0).members(2).layer(), 1);
  EXPECT_EQ(first->families(0).members(2).neuron(), 2);
  EXPECT_EQ(first->families(0).model_count(), 3);
  const auto second = List(2, first->next_page_token());
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(second->families_size(), 1);
  EXPECT_EQ(second->families(0).index(), 2);
  EXPECT_TRUE(second->next_page_token().empty());
  EXPECT_EQ(ErrorReason(List(2, "x").status()), "INVALID_PAGE_TOKEN");
  EXPECT_EQ(ErrorReason(List(-1).status()), "INVALID_PAGE_SIZE");
}

TEST_F(FamiliesStoreTest, AreFoundByAMember) {
  member_.emplace();
  member_->set_checkpoint("models/c/checkpoints/1");
  member_->set_layer(1);
  EXPECT_EQ(List(0)->families(0).index(), 2);
  EXPECT_EQ(List(0)->total_size(), 1);
  member_->set_neuron(1);
  EXPECT_EQ(List(0)->total_size(), 0);
  member_->set_neuron(3);
  EXPECT_EQ(ErrorReason(List(0).status()), "INVALID_FAMILY");
  member_->set_checkpoint("models/d/checkpoints/1");
  EXPECT_EQ(ErrorReason(List(0).status()), "INVALID_FAMILY");
}

TEST_F(FamiliesStoreTest, ReportDamage) {
  EXPECT_EQ(ErrorReason(ReadFamilies(*store_, "families/x").status()), "FAMILIES_NOT_FOUND");
  const std::string manifest = *store_->GetResult("families", "f");
  const store::Blob ends{"ends", *store_->GetBlob("families", "f", "ends")};
  const store::Blob members{"members", *store_->GetBlob("families", "f", "members")};
  const store::Blob excess{"mean_excess", *store_->GetBlob("families", "f", "mean_excess")};
  auto reason = [&](const std::vector<store::Blob>& blobs) {
    EXPECT_TRUE(store_->PutResult("families", "f", manifest, blobs).ok());
    return ErrorReason(ReadFamilies(*store_, "families/f").status());
  };
  EXPECT_EQ(reason({ends, members, excess}), "");
  EXPECT_EQ(reason({ends, members}), "DAMAGED_RESULT");
  EXPECT_EQ(reason({ends, {"members", members.bytes.substr(8)}, excess}), "DAMAGED_RESULT");
  EXPECT_EQ(reason({ends, {"members", members.bytes.substr(3)}, excess}), "DAMAGED_RESULT");
  std::string beyond = members.bytes;
  beyond[4] = 6;  // the first neuron's flat index; models have 6 neurons
  EXPECT_EQ(reason({ends, {"members", beyond}, excess}), "DAMAGED_RESULT");
  std::string swapped = ends.bytes.substr(4, 4) + ends.bytes.substr(0, 4) + ends.bytes.substr(8);
  EXPECT_EQ(reason({{"ends", swapped}, members, excess}), "DAMAGED_RESULT");
}

}  // namespace
}  // namespace homolog::results
