// Who may call what: tokens and roles, on every method of the contract.

#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "tests/integration/capture_log.h"
#include "tests/integration/server_fixture.h"

namespace homolog::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kAda[] = "ada-token-0123456789";  // an analyst
constexpr char kBob[] = "bob-token-0123456789";  // a viewer

constexpr size_t kMethods = 34, kMethodsForAnalysts = 12;

// What a viewer may call. A method that is not named here needs an analyst.
bool IsForViewers(const std::string& method) {
  for (const char* verb : {"List", "Get", "Query", "Wait", "Watch"}) {
    if (method.starts_with(verb)) return true;
  }
  return false;
}

// Every method of every service of the contract, as its files say.
std::vector<const google::protobuf::MethodDescriptor*> AllMethods() {
  std::vector<const google::protobuf::MethodDescriptor*> methods;
  const std::filesystem::path contract =
      std::filesystem::path(std::getenv("HOMOLOG_TEST_DATA")) / "../proto/homolog/v1";
  for (const auto& entry : std::filesystem::directory_iterator(contract)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with("_service.proto")) continue;
    const google::protobuf::FileDescriptor* file =
        google::protobuf::DescriptorPool::generated_pool()->FindFileByName("homolog/v1/" + name);
    EXPECT_NE(file, nullptr) << name;
    for (int i = 0; file != nullptr && i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        methods.push_back(file->service(i)->method(j));
      }
    }
  }
  return methods;
}

class DoorsTest : public ServerTest {
 protected:
  void WriteTokens(const std::string& text) {
    const std::filesystem::path path = repository().parent_path() / "tokens";
    WriteFile(path, text);
    std::filesystem::permissions(path, std::filesystem::perms(0600));
    config_.token_file = path;
  }
  void StartWithTokens() {
    WriteTokens(absl::StrCat("ada analyst ", kAda, "\nbob viewer ", kBob, "\n"));
    StartServer();
  }
  // Calls any method with an empty request.
  grpc::Status Call(const google::protobuf::MethodDescriptor& method, const std::string& token) {
    grpc::GenericStub stub(channel());
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    if (!token.empty()) context.AddMetadata("authorization", absl::StrCat("Bearer ", token));
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareCall(
        &context, "/" + std::string(method.service()->full_name()) + "/" + method.name(), &queue);
    call->StartCall(nullptr);
    void* tag;
    bool ok;
    queue.Next(&tag, &ok);
    call->WriteLast(grpc::ByteBuffer(nullptr, 0), grpc::WriteOptions(), nullptr);
    queue.Next(&tag, &ok);
    grpc::ByteBuffer response;
    do {
      call->Read(&response, nullptr);
      queue.Next(&tag, &ok);
    } while (ok);
    grpc::Status status;
    call->Finish(&status, nullptr);
    queue.Next(&tag, &ok);
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) continue;
    return status;
  }
  absl::Status ListDatasets(const std::string& token) {
    grpc::ClientContext context;
    if (!token.empty()) context.AddMetadata("authorization", absl::StrCat("Bearer ", token));
    v1::ListDatasetsResponse response;
    return FromWire(datasets().ListDatasets(&context, {}, &response));
  }
};

TEST_F(DoorsTest, LetNobodyInWithoutATokenAndViewersNotToWhatAnalystsDo) {
  StartWithTokens();
  const std::vector<const google::protobuf::MethodDescriptor*> methods = AllMethods();
  size_t guarded = 0, refused = 0;
  for (const google::protobuf::MethodDescriptor* method : methods) {
    const std::string without = CodeAndReason(FromWire(Call(*method, "")));
    EXPECT_EQ(without, "UNAUTHENTICATED TOKEN_REQUIRED") << method->full_name();
    guarded += without == "UNAUTHENTICATED TOKEN_REQUIRED" ? 1 : 0;
    EXPECT_EQ(CodeAndReason(FromWire(Call(*method, "wrong-token-0123456789"))),
              "UNAUTHENTICATED TOKEN_INVALID")
        << method->full_name();
    const std::string viewer = CodeAndReason(FromWire(Call(*method, kBob)));
    const std::string analyst = CodeAndReason(FromWire(Call(*method, kAda)));
    EXPECT_THAT(analyst, Not(HasSubstr("PERMISSION_DENIED"))) << method->full_name();
    EXPECT_THAT(analyst, Not(HasSubstr("UNAUTHENTICATED"))) << method->full_name();
    refused += viewer == "PERMISSION_DENIED ROLE_TOO_LOW" ? 1 : 0;
    if (IsForViewers(method->name())) {
      EXPECT_EQ(viewer, analyst) << method->full_name();
    } else {
      EXPECT_EQ(viewer, "PERMISSION_DENIED ROLE_TOO_LOW") << method->full_name();
    }
  }
  // What docs/security.md lists. A method that is added needs its place there and its number here.
  EXPECT_EQ(methods.size(), kMethods);
  EXPECT_EQ(guarded, methods.size());
  EXPECT_EQ(refused, kMethodsForAnalysts);
}

TEST_F(DoorsTest, LetProbesAskForHealthWithoutAToken) {
  StartWithTokens();
  grpc::GenericStub stub(channel());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check",
                                          grpc::ByteBuffer(nullptr, 0), &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag;
  bool ok;
  queue.Next(&tag, &ok);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(DoorsTest, TakeChangedTokensWithoutARestart) {
  StartWithTokens();
  EXPECT_TRUE(ListDatasets(kBob).ok());
  WriteTokens(absl::StrCat("ada analyst ", kAda, "\n"));
  // The file is looked at once a second.
  for (int i = 0; i < 500 && ListDatasets(kBob).ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(CodeAndReason(ListDatasets(kBob)), "UNAUTHENTICATED TOKEN_INVALID");
  EXPECT_TRUE(ListDatasets(kAda).ok());
}

TEST_F(DoorsTest, NeverLogATokenAndAlwaysWhoCalled) {
  const CapturedLog log;
  StartWithTokens();
  EXPECT_TRUE(ListDatasets(kAda).ok());
  EXPECT_FALSE(ListDatasets("wrong-token-0123456789").ok());
  EXPECT_FALSE(ListDatasets("").ok());
  WriteTokens(absl::StrCat("ada analyst ", kAda, "\nbroken ", kBob, " viewer\n"));
  // The file is looked at once a second, when somebody calls.
  const std::string refusal = "the tokens stay as they were";
  for (int i = 0; i < 1000 && log.text().find(refusal) == std::string::npos; ++i) {
    EXPECT_TRUE(ListDatasets(kAda).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_THAT(log.text(), HasSubstr(refusal));
  StopServer();
  EXPECT_THAT(log.text(), HasSubstr("client=token:ada method=DatasetService/ListDatasets code=OK"));
  EXPECT_THAT(log.text(), HasSubstr("client=ipv4:127.0.0.1 method=DatasetService/ListDatasets "
                                    "code=UNAUTHENTICATED"));
  for (const char* token : {kAda, kBob, "wrong-token-0123456789"}) {
    EXPECT_THAT(log.text(), Not(HasSubstr(token)));
  }
}

TEST_F(DoorsTest, TakeEverybodyForAnAnalystWithoutTokens) {
  StartServer();
  v1::LoadCheckpointRequest request;
  request.set_name("models/a/checkpoints/1");
  EXPECT_TRUE(Unary(checkpoints(), &v1::CheckpointService::Stub::LoadCheckpoint, request).ok());
}

TEST_F(DoorsTest, StayShutWhereTheTokensCannotBeRead) {
  config_.token_file = repository() / "no such file";
  const auto server = app::Server::Start(config_);
  EXPECT_TRUE(absl::IsInvalidArgument(server.status())) << server.status();
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("--token-file"));
}

}  // namespace
}  // namespace homolog::testing
