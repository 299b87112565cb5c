// The store through its service: what is in it, and what becomes of damage.
#include <rocksdb/db.h>

#include "common/error.h"
#include "tests/integration/server_fixture.h"

namespace homolog::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Analysis = v1::AnalysisService::Stub;
using StoreStub = v1::StoreService::Stub;

class StoreServiceTest : public ServerTest {
 protected:
  v1::Operation Compute(uint64_t seed = 0) {
    v1::ComputeCorrelationsRequest request;
    request.set_reference("models/a/checkpoints/1");
    request.add_partners("models/b/checkpoints/1");
    request.set_dataset("datasets/text");
    request.mutable_parameters()->set_seed(seed);
    const auto operation = Unary(analysis(), &Analysis::ComputeCorrelations, request);
    EXPECT_TRUE(operation.ok()) << operation.status();
    return operation.ok() ? Wait(operation->name()) : v1::Operation();
  }
  v1::Store GetStore() {
    const auto store = Unary(this->store(), &StoreStub::GetStore, v1::GetStoreRequest());
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *store : v1::Store();
  }
  absl::StatusOr<v1::GetNeuronTableResponse> Table(const std::string& correlation) {
    v1::GetNeuronTableRequest request;
    request.set_correlation(correlation);
    request.add_columns("0.max_corr");
    return Unary(analysis(), &Analysis::GetNeuronTable, request);
  }
  // Flips a bit of every piece of every column, past the stopped server.
  void DamageColumns() {
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, config_.data, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    for (const std::string& name : names)
      descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, config_.data, descriptors, &handles, &opened).ok());
    const std::unique_ptr<rocksdb::DB> database(opened);
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      if (handle->GetName() == "blobs") {
        const std::unique_ptr<rocksdb::Iterator> it(database->NewIterator({}, handle));
        for (it->SeekToFirst(); it->Valid(); it->Next()) {
          std::string value = it->value().ToString();
          if (it->key().ToString().find("/sealed/0") == std::string::npos || value.empty())
            continue;
          value[0] ^= 0x40;
          ASSERT_TRUE(database->Put({}, handle, it->key(), value).ok());
        }
      }
      ASSERT_TRUE(database->DestroyColumnFamilyHandle(handle).ok());
    }
  }
};

TEST_F(StoreServiceTest, SaysWhatIsInTheStore) {
  StartServer();
  CreateTextDataset();
  Compute();
  const v1::Store store = GetStore();
  EXPECT_EQ(store.state(), v1::STORE_STATE_SERVING);
  EXPECT_EQ(store.schema_version(), 3);
  EXPECT_EQ(store.dataset_count(), 1);
  EXPECT_EQ(store.operation_count(), 1);
  ASSERT_GE(store.results_size(), 1);
  EXPECT_EQ(store.results(0).kind(), "correlations");
  EXPECT_EQ(store.results(0).count(), 1);
  EXPECT_GT(store.results(0).bytes(), 1000);
  EXPECT_GT(store.disk_bytes(), store.result_bytes() / 10);
  const auto compacted = Unary(this->store(), &StoreStub::CompactStore, v1::CompactStoreRequest());
  ASSERT_TRUE(compacted.ok()) << compacted.status();
  EXPECT_EQ(compacted->result_bytes(), store.result_bytes());
}

TEST_F(StoreServiceTest, ReportsDropsAndComputesAgainWhatIsDamaged) {
  StartServer();
  CreateTextDataset();
  const v1::Operation first = Compute();
  const auto before = Table(first.result());
  ASSERT_TRUE(before.ok()) << before.status();
  StopServer();
  DamageColumns();
  StartServer();
  const absl::Status damaged = Table(first.result()).status();
  EXPECT_EQ(CodeAndReason(damaged), "DATA_LOSS RESULT_DAMAGED");
  EXPECT_THAT(std::string(damaged.message()), HasSubstr(first.result()));
  EXPECT_EQ(GetStore().damaged_results(), 1);
  EXPECT_EQ(Table(first.result()).status().code(), absl::StatusCode::kNotFound);
  const v1::Operation again = Compute();
  EXPECT_NE(again.name(), first.name());
  EXPECT_EQ(again.result(), first.result());
  const auto after = Table(first.result());
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->SerializeAsString(), before->SerializeAsString());
}

TEST_F(StoreServiceTest, VerifiesEverythingAndNamesWhatIsDamaged) {
  StartServer();
  CreateTextDataset();
  const v1::Operation operation = Compute();
  auto verified = Unary(store(), &StoreStub::VerifyStore, v1::VerifyStoreRequest());
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_THAT(verified->damaged(), IsEmpty());
  EXPECT_GE(verified->checked_count(), 2);
  StopServer();
  DamageColumns();
  StartServer();
  verified = Unary(store(), &StoreStub::VerifyStore, v1::VerifyStoreRequest());
  ASSERT_TRUE(verified.ok()) << verified.status();
  ASSERT_THAT(verified->damaged(), SizeIs(1));
  EXPECT_EQ(verified->damaged(0).name(), operation.result());
  EXPECT_TRUE(verified->damaged(0).dropped());
  v1::VerifyStoreRequest nonsense;
  nonsense.set_page_token("nonsense");
  EXPECT_EQ(CodeAndReason(Unary(store(), &StoreStub::VerifyStore, nonsense).status()),
            "INVALID_ARGUMENT INVALID_PAGE_TOKEN");
}

TEST_F(StoreServiceTest, EvictsTheLeastRecentlyUsedResultsBeyondItsBudget) {
  StartServer();
  CreateTextDataset();
  const std::string first = Compute(1).result();
  const int64_t bytes = GetStore().result_bytes();
  StopServer();
  config_.store_budget_bytes = 2 * bytes + bytes / 2;
  StartServer();
  const std::string second = Compute(2).result();
  ASSERT_TRUE(Table(first).ok());  // used later than the second
  Compute(3);
  EXPECT_TRUE(Table(first).ok());
  EXPECT_EQ(Table(second).status().code(), absl::StatusCode::kNotFound);
  const v1::Store store = GetStore();
  EXPECT_GE(store.evicted_results(), 1);
  EXPECT_LE(store.result_bytes(), config_.store_budget_bytes);
  EXPECT_EQ(store.result_budget_bytes(), config_.store_budget_bytes);
}

}  // namespace
}  // namespace homolog::testing
