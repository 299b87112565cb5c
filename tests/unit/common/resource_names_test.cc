#include "common/resource_names.h"

#include <gtest/gtest.h>

#include "common/error.h"

namespace homolog {
namespace {

TEST(ResourceIdTest, TakesFolderNamesAsTheyCome) {
  for (const std::string_view id : {"a", "main", "100000", "gpt2-small_a.v1", "-", "...", ".hid"}) {
    EXPECT_TRUE(ValidateResourceId("model", id).ok()) << id;
  }
  EXPECT_TRUE(ValidateResourceId("model", std::string(128, 'a')).ok());
}

TEST(ResourceIdTest, RefusesWhatIsNoFolderNameOrLeavesTheFolder) {
  for (const std::string& id :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("a b"),
        std::string("\xC3\xA9"), std::string("a\0b", 3), std::string(129, 'a')}) {
    const absl::Status status = ValidateResourceId("model", id);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << id;
    EXPECT_EQ(ErrorReason(status), "INVALID_RESOURCE_ID") << id;
  }
}

TEST(ResourceIdTest, NamesTheKindAndTheValueAtFault) {
  const std::string message(ValidateResourceId("data set", "a b").message());
  EXPECT_NE(message.find("data set"), std::string::npos);
  EXPECT_NE(message.find("\"a b\""), std::string::npos);
}

TEST(CheckpointNameTest, ParsesAndPrintsTheFullName) {
  const auto name = CheckpointName::Parse("models/alias/checkpoints/100000");
  ASSERT_TRUE(name.ok()) << name.status();
  EXPECT_EQ(name->model, "alias");
  EXPECT_EQ(name->step, "100000");
  EXPECT_EQ(name->ToString(), "models/alias/checkpoints/100000");
  EXPECT_EQ(name->ToShortString(), "alias/100000");
}

TEST(CheckpointNameTest, RefusesEverythingElse) {
  for (const std::string_view name :
       {"", "alias/100000", "models/alias", "models/alias/checkpoints", "models/a/checkpoints/",
        "models//checkpoints/1", "models/a/checkpoints/1/", "/models/a/checkpoints/1",
        "models/../checkpoints/1", "models/a/checkpoints/..", "models/a/steps/1",
        "Models/a/checkpoints/1", "models/a/checkpoints/1 "}) {
    const auto parsed = CheckpointName::Parse(name);
    EXPECT_EQ(ErrorReason(parsed.status()), "INVALID_RESOURCE_NAME") << name;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

TEST(ResourceNameTest, ParsesAndPrintsOneLevel) {
  EXPECT_EQ(*ParseName(kDatasets, "datasets/pile"), "pile");
  EXPECT_EQ(FormatName(kOperations, "7"), "operations/7");
}

TEST(ResourceNameTest, RefusesAnotherCollectionOrShape) {
  for (const std::string_view name : {"", "pile", "operations/pile", "datasets/", "datasets/..",
                                      "datasets/a/b", "datasets/a b", "/datasets/a"}) {
    EXPECT_EQ(ErrorReason(ParseName(kDatasets, name).status()), "INVALID_RESOURCE_NAME") << name;
  }
}

TEST(ExpandTest, TakesTheShortAndTheFullForm) {
  EXPECT_EQ(*ExpandCheckpointName("alias/100000"), "models/alias/checkpoints/100000");
  EXPECT_EQ(*ExpandCheckpointName("models/alias/checkpoints/100000"),
            "models/alias/checkpoints/100000");
  EXPECT_EQ(*ExpandName(kDatasets, "pile"), "datasets/pile");
  EXPECT_EQ(*ExpandName(kDatasets, "datasets/pile"), "datasets/pile");
}

TEST(ExpandTest, TakesACheckpointOfAModelCalledModels) {
  EXPECT_EQ(*ExpandCheckpointName("models/1"), "models/models/checkpoints/1");
}

TEST(ExpandTest, RefusesWhatIsNeither) {
  for (const std::string_view typed :
       {"", "alias", "alias/", "/1", "a/b/c", "alias/../1", "../1"}) {
    EXPECT_EQ(ErrorReason(ExpandCheckpointName(typed).status()), "INVALID_RESOURCE_NAME") << typed;
  }
  for (const std::string_view typed : {"", "..", "a b", "operations/1", "datasets/a/b"}) {
    EXPECT_EQ(ErrorReason(ExpandName(kDatasets, typed).status()), "INVALID_RESOURCE_NAME") << typed;
  }
}

}  // namespace
}  // namespace homolog
