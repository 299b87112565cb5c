// What a client may do.
#ifndef HOMOLOG_SERVER_RPC_ROLE_H_
#define HOMOLOG_SERVER_RPC_ROLE_H_

namespace homolog::rpc {

// Ascending: an analyst may do all that a viewer may.
enum class Role {
  kViewer,   // list, query, watch
  kAnalyst,  // also compute, load, upload, cancel, delete
};

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_ROLE_H_
