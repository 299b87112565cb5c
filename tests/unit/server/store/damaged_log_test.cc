// RocksDB's log, damaged before it was written into tables.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "store_testing.h"

namespace homolog::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kKind[] = "correlations";

class DamagedLogTest : public StoreTestBase {
 protected:
  // A store whose results a, b and c are in its log alone.
  DamagedLogTest() {
    for (const std::string id : {"a", "b", "c"}) {
      EXPECT_TRUE(store_->PutResult(kKind, id, "manifest of " + id, {{"x", id}}).ok());
    }
    Close();
  }

  void Open() {
    StoreOptions options;
    options.observer = [this](const StoreEvent& event) { events_.push_back(event); };
    store_ = ValueOf(Store::Open(path_, options));
  }
  // Replaces the log that has all three by what `change` makes of it.
  template <typename Change>
  void Tamper(Change change) {
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      std::ifstream in(entry.path(), std::ios::binary);
      std::string log{std::istreambuf_iterator<char>(in), {}};
      if (entry.path().extension() != ".log" || log.find("manifest of c") == std::string::npos) {
        continue;
      }
      change(log);
      std::ofstream(entry.path(), std::ios::binary) << log;
      return;
    }
    FAIL() << "no log has the results";
  }

  std::vector<StoreEvent> events_;
};

TEST_F(DamagedLogTest, SaysThatWhatFollowsADamagedRecordIsLost) {
  Tamper([](std::string& log) { log[log.find("manifest of b")] ^= 1; });
  Open();
  EXPECT_THAT(CorrelationIds(), ElementsAre("a"));
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(events_[0].kind, StoreEvent::Kind::kLogDamaged);
  EXPECT_THAT(events_[0].detail, HasSubstr("checksum mismatch"));
  EXPECT_THAT(events_[0].detail, HasSubstr(path_));
  // What is written from now on is there again, and nothing more is said.
  events_.clear();
  ASSERT_TRUE(store_->PutResult(kKind, "d", "manifest of d", {{"x", "d"}}).ok());
  Close();
  Open();
  EXPECT_THAT(CorrelationIds(), ElementsAre("a", "d"));
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(DamagedLogTest, SaysNothingOfARecordThatACrashLeftUnfinished) {
  Tamper([](std::string& log) { log.resize(log.rfind("manifest of c") + 4); });
  Open();
  EXPECT_THAT(CorrelationIds(), ElementsAre("a", "b"));
  EXPECT_THAT(events_, IsEmpty());
}

}  // namespace
}  // namespace homolog::store
