// A doorkeeper behind real gRPC, which alone makes contexts.
#include "server/rpc/doorkeeper.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "homolog/v1/dataset_service.grpc.pb.h"
#include "tests/support/temporary_folder.h"

namespace homolog::rpc {
namespace {

using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteFile;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Bearer(const std::string& token) { return absl::StrCat("Bearer ", token); }

constexpr char kAda[] = "ada-token-0123456789";
constexpr char kBob[] = "bob-token-0123456789";

// Ends every call with who called, or why they may not.
class Porch : public grpc::CallbackGenericService {
 public:
  explicit Porch(Doorkeeper* doorkeeper) : doorkeeper_(doorkeeper) {}
  Role needed = Role::kViewer;

 private:
  class Reactor : public grpc::ServerGenericBidiReactor {
   public:
    explicit Reactor(const grpc::Status& status) { Finish(status); }
    void OnDone() override { delete this; }
  };
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    const absl::StatusOr<Caller> caller = doorkeeper_->Admit(*context, needed);
    if (caller.ok()) return new Reactor({grpc::StatusCode::ABORTED, caller->name});
    return new Reactor({static_cast<grpc::StatusCode>(caller.status().code()),
                        std::string(caller.status().message()), SerializeError(caller.status())});
  }
  Doorkeeper* const doorkeeper_;
};

class DoorkeeperTest : public ::testing::Test {
 protected:
  void Start(bool with_tokens, const std::string& address = "127.0.0.1:0") {
    std::unique_ptr<TokenFile> tokens;
    if (with_tokens) {
      const std::filesystem::path path = folder_ / "tokens";
      WriteFile(path, absl::StrCat("ada analyst ", kAda, "\nbob viewer ", kBob, "\n"));
      std::filesystem::permissions(path, std::filesystem::perms(0600));
      tokens = *TokenFile::Open(path);
    }
    doorkeeper_ = std::make_unique<Doorkeeper>(std::move(tokens));
    porch_ = std::make_unique<Porch>(doorkeeper_.get());
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterCallbackGenericService(porch_.get());
    server_ = builder.BuildAndStart();
    address_ = address.starts_with("unix:")
                   ? address
                   : absl::StrCat(address.substr(0, address.rfind(':') + 1), port);
  }
  void TearDown() override {
    if (server_) server_->Shutdown();
  }
  // "REASON" of the refusal, else the caller's name.
  std::string Knock(const std::vector<std::string>& authorizations) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    const auto stub = v1::DatasetService::NewStub(
        grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments));
    grpc::ClientContext context;
    for (const std::string& value : authorizations) context.AddMetadata("authorization", value);
    v1::Dataset dataset;
    const grpc::Status status = stub->GetDataset(&context, {}, &dataset);
    message_ = status.error_message();
    if (status.error_code() == grpc::StatusCode::ABORTED) return message_;
    return ErrorReason(ParseError(status.error_details()));
  }

  TemporaryFolder folder_;
  std::unique_ptr<Doorkeeper> doorkeeper_;
  std::unique_ptr<Porch> porch_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_, message_;
};

TEST_F(DoorkeeperTest, KnowsCallersByTheirTokens) {
  Start(true);
  EXPECT_EQ(Knock({Bearer(kAda)}), "token:ada");
  EXPECT_EQ(Knock({absl::StrCat("bearer ", kBob)}), "token:bob");
}

TEST_F(DoorkeeperTest, TurnsAwayWhoHasNoTokenOrAWrongOne) {
  Start(true);
  EXPECT_EQ(Knock({}), "TOKEN_REQUIRED");
  const std::vector<std::string> wrong = {"",
                                          "Bearer",
                                          Bearer(""),
                                          kAda,
                                          Bearer("Bearer x"),
                                          Bearer(absl::StrCat("x", kAda)),
                                          Bearer("  "),
                                          Bearer(std::string(4000, 'x'))};
  for (const std::string& value : wrong) {
    EXPECT_EQ(Knock({value}), "TOKEN_INVALID") << value;
    EXPECT_THAT(message_, Not(HasSubstr(kAda)));
  }
  EXPECT_EQ(Knock({Bearer(kAda), Bearer(kBob)}), "TOKEN_INVALID");
}

TEST_F(DoorkeeperTest, LetsAnAnalystDoWhatAViewerMayAndNotTheOtherWay) {
  Start(true);
  porch_->needed = Role::kAnalyst;
  EXPECT_EQ(Knock({Bearer(kAda)}), "token:ada");
  EXPECT_EQ(Knock({Bearer(kBob)}), "ROLE_TOO_LOW");
  EXPECT_EQ(message_,
            "token:bob is a viewer; this method needs the role analyst (ask the server's operator "
            "for it)");
}

TEST_F(DoorkeeperTest, KnowsCallersByTheirAddressWithoutTokens) {
  Start(false);
  porch_->needed = Role::kAnalyst;
  EXPECT_EQ(Knock({}), "ipv4:127.0.0.1");
  EXPECT_EQ(Knock({"Bearer whatever"}), "ipv4:127.0.0.1");
}

TEST_F(DoorkeeperTest, CallsUnixSocketsByTheirKind) {
  Start(false, "unix:" + (folder_ / "socket").string());
  EXPECT_EQ(Knock({}), "unix");
}

TEST(AddressOfTest, LeavesThePortOut) {
  EXPECT_EQ(AddressOf("ipv4:127.0.0.1:5000"), "ipv4:127.0.0.1");
  EXPECT_EQ(AddressOf("ipv4:127.0.0.1"), "ipv4:127.0.0.1");
  EXPECT_EQ(AddressOf("ipv6:%5B::1%5D:5000"), "ipv6:[::1]");
  EXPECT_EQ(AddressOf("ipv6:[2001:db8::1]:5000"), "ipv6:[2001:db8::1]");
  EXPECT_EQ(AddressOf("ipv6:[2001:db8::1]"), "ipv6:[2001:db8::1]");
  EXPECT_EQ(AddressOf("unix:/run/x"), "unix");
  EXPECT_EQ(AddressOf("a\nb \"c"), "a?b??c");
}

}  // namespace
}  // namespace homolog::rpc
