// Stores of former versions, which stay readable.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "common/error.h"
#include "store_testing.h"

namespace homolog::store {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kKind[] = "correlations";

class OldSchemaTest : public StoreTestBase {
 protected:
  // A copy of a store that a server of that time wrote.
  void OpenGolden(const std::string& name) {
    Close();
    std::filesystem::remove_all(path_);
    std::filesystem::copy(std::string(std::getenv("HOMOLOG_TEST_DATA")) + "/golden/" + name, path_);
    Reopen();
  }
};

TEST_F(OldSchemaTest, ReadsWhatTheFirstSchemaWroteAndRaisesIt) {
  const std::string large(3 << 20, 'x');
  Raw([&](RawDatabase& raw) {
    raw.Put("meta", "schema_version", "1");
    raw.Put("results", std::string(kKind) + "/old", "manifest");
    raw.Put("blobs", std::string(kKind) + "/old/column", large);  // whole, however large
  });
  Reopen();
  EXPECT_EQ(ValueOf(store_->GetMeta("schema_version")), "3");
  EXPECT_EQ(ValueOf(store_->GetResult(kKind, "old")), "manifest");
  EXPECT_EQ(ValueOf(store_->GetBlob(kKind, "old", "column")), large);
  EXPECT_EQ(ValueOf(store_->ReadBlob(kKind, "old", "column", (3 << 20) - 1, 1)), "x");
}

TEST_F(OldSchemaTest, ReadsThePiecesOfTheSecondSchema) {
  const std::string piece(1 << 20, 'p');
  const std::string blob = std::string(kKind) + "/old/column";
  Raw([&](RawDatabase& raw) {
    raw.Put("meta", "schema_version", "2");
    raw.Put("results", std::string(kKind) + "/old", "manifest");
    raw.Put("blobs", blob + "/size", std::to_string((1 << 20) + 5));
    raw.Put("blobs", blob + "/00000000", piece);
    raw.Put("blobs", blob + "/00000001", "12345");
  });
  Reopen();
  EXPECT_EQ(ValueOf(store_->GetBlob(kKind, "old", "column")), piece + "12345");
  EXPECT_EQ(ValueOf(store_->ReadBlob(kKind, "old", "column", (1 << 20) - 1, 3)), "p12");
  EXPECT_GT(ValueOf(store_->Stats()).result_bytes, 1 << 20);
  Raw([&](RawDatabase& raw) { raw.Put("blobs", blob + "/00000001", "1"); });
  Reopen();
  EXPECT_EQ(ErrorReason(store_->GetBlob(kKind, "old", "column").status()), "RESULT_DAMAGED");
}

// Written by version 0.1.0 with schema 2: two models of 2 layers, steps 10 and 20, a study of them.
TEST_F(OldSchemaTest, ReadsAWholeStoreOfTheSecondSchema) {
  OpenGolden("store_schema_2");
  EXPECT_THAT(ValueOf(store_->ListResults(kKind, 1000, "")).records, SizeIs(8));
  EXPECT_THAT(ValueOf(store_->ListResults("ablations", 1000, "")).records, SizeIs(40));
  EXPECT_THAT(ValueOf(store_->ListResults("studies", 1000, "")).records, SizeIs(1));
  EXPECT_THAT(ValueOf(store_->ListOperations(1000, "")).records, SizeIs(1));
  EXPECT_THAT(ValueOf(store_->ReadTokens("text", 0, 3200)), SizeIs(3200));
  const VerifiedPage page = ValueOf(store_->Verify(""));
  EXPECT_GT(page.checked_bytes, 500'000);
  EXPECT_THAT(page.damaged, IsEmpty());
  EXPECT_EQ(ValueOf(store_->Stats()).results.at(kKind).count, 8);
}

// Written by version 0.1.0 with schema 3, and compacted: two models of one layer, a correlation, an
// ablation.
TEST_F(OldSchemaTest, ReadsAWholeStoreOfTheThirdSchema) {
  OpenGolden("store_schema_3");
  const Page correlations = ValueOf(store_->ListResults(kKind, 1000, ""));
  ASSERT_THAT(correlations.records, SizeIs(1));
  EXPECT_THAT(ValueOf(store_->GetResult(kKind, correlations.records[0].id)), Not(IsEmpty()));
  EXPECT_THAT(ValueOf(store_->GetBlob(kKind, correlations.records[0].id, "0.max_corr")),
              SizeIs(64 * sizeof(float)));
  EXPECT_THAT(ValueOf(store_->ListResults("ablations", 1000, "")).records, SizeIs(1));
  EXPECT_THAT(ValueOf(store_->ListOperations(1000, "")).records, SizeIs(2));
  EXPECT_THAT(ValueOf(store_->ListDatasets(1000, "")).records, SizeIs(1));
  EXPECT_THAT(ValueOf(store_->ReadTokens("text", 0, 3200)), SizeIs(3200));
  const VerifiedPage page = ValueOf(store_->Verify(""));
  EXPECT_GT(page.checked_bytes, 100'000);
  EXPECT_THAT(page.damaged, IsEmpty());
}

}  // namespace
}  // namespace homolog::store
