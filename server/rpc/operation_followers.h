// The reactors of WaitOperation and WatchOperation. They look at the operation on a timer: an
// operation changes at its own pace, and nobody holds a thread or a lock for those who follow it.
//
// Thread-safety: as gRPC's reactors; they delete themselves.
#ifndef HOMOLOG_SERVER_RPC_OPERATION_FOLLOWERS_H_
#define HOMOLOG_SERVER_RPC_OPERATION_FOLLOWERS_H_

#include <grpcpp/alarm.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "homolog/v1/operation.pb.h"
#include "server/operations/operation_manager.h"
#include "server/rpc/call.h"
#include "server/rpc/stream_slots.h"

namespace homolog::rpc {

// Finishes with the operation once it has ended, or as it stands after `timeout`.
class OperationWaiter : public grpc::ServerUnaryReactor {
 public:
  OperationWaiter(operations::OperationManager* manager, std::string name,
                  std::chrono::nanoseconds timeout, Call call, StreamSlots::Slot slot,
                  v1::Operation* response);
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override { delete this; }

 private:
  void Look();
  void LookLater();
  void End(const absl::Status& status);

  operations::OperationManager* const manager_;
  const std::string name_;
  const std::chrono::steady_clock::time_point deadline_;
  const Call call_;
  StreamSlots::Slot slot_;
  v1::Operation* const response_;
  std::atomic<bool> cancelled_ = false;
  std::unique_ptr<grpc::Alarm> alarm_;  // a new one each time: the old one may be running
};

// Sends the operation now and whenever it has changed, until it has ended.
class OperationWatcher : public grpc::ServerWriteReactor<v1::Operation> {
 public:
  OperationWatcher(operations::OperationManager* manager, std::string name, Call call,
                   StreamSlots::Slot slot);
  void OnWriteDone(bool ok) override;
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override { delete this; }

 private:
  void Look();
  void LookLater();
  void End(const absl::Status& status);

  operations::OperationManager* const manager_;
  const std::string name_;
  const Call call_;
  StreamSlots::Slot slot_;
  v1::Operation sent_;
  std::string sent_bytes_;
  std::atomic<bool> cancelled_ = false;
  std::unique_ptr<grpc::Alarm> alarm_;  // a new one each time: the old one may be running
};

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_OPERATION_FOLLOWERS_H_
