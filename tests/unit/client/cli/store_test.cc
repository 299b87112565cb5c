#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "../cpp/mock_connection.h"
#include "client/cli/app.h"
#include "client/cli/exit_code.h"

namespace homolog::cli {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::NiceMock;
using ::testing::Return;

class StoreCommandTest : public ::testing::Test {
 protected:
  int Run(const std::vector<std::string>& arguments) {
    out_.str("");
    err_.str("");
    return RunCommandLine(
        arguments, {out_, err_, false,
                    [this](const std::string&, const client::Security&) { return connection_; }});
  }
  std::shared_ptr<NiceMock<client::MockConnection>> connection_ =
      std::make_shared<NiceMock<client::MockConnection>>();
  std::ostringstream out_, err_;
};

TEST_F(StoreCommandTest, ShowsWhatIsInTheStore) {
  v1::Store store;
  store.set_state(v1::STORE_STATE_READ_ONLY);
  store.set_reason("No space left on device");
  v1::StoredResults& results = *store.add_results();
  results.set_kind("correlations");
  results.set_count(3);
  results.set_bytes(2048);
  EXPECT_CALL(*connection_, GetStore(_)).WillOnce(Return(store));
  EXPECT_EQ(Run({"store", "stats"}), kExitOk) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("read_only"), HasSubstr("No space left on device"),
                                HasSubstr("3 correlations (2.0 KiB)"), HasSubstr("no limit")));
}

TEST_F(StoreCommandTest, VerifiesPageByPageAndFailsWhereAnythingIsDamaged) {
  v1::VerifyStoreResponse first, second;
  first.set_checked_count(1000);
  first.set_next_page_token("more");
  second.set_checked_count(5);
  EXPECT_CALL(*connection_, VerifyStore(_))
      .WillOnce(Return(first))
      .WillOnce([&](const v1::VerifyStoreRequest& request) {
        EXPECT_EQ(request.page_token(), "more");
        return second;
      });
  EXPECT_EQ(Run({"store", "verify"}), kExitOk) << err_.str();
  EXPECT_THAT(err_.str(), HasSubstr("checked 1005 results and data sets"));

  v1::DamagedRecord& damaged = *second.add_damaged();
  damaged.set_name("correlations/x");
  damaged.set_problem("a flipped bit");
  damaged.set_dropped(true);
  EXPECT_CALL(*connection_, VerifyStore(_)).WillOnce(Return(second));
  EXPECT_EQ(Run({"store", "verify"}), kExitFailure);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("correlations/x"), HasSubstr("a flipped bit")));
  EXPECT_THAT(err_.str(), HasSubstr("1 of 5 records are damaged"));
}

}  // namespace
}  // namespace homolog::cli
