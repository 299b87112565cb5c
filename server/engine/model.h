// One interface for every model family: a forward pass that can be read (taps) and changed (edits).
//
// Thread-safety: a Model is immutable; concurrent calls are safe. Taps and edits run on the calling
// thread. Shapes are [batch, position, ...]; tokens are int64; activations are on the weights'
// device in the weights' dtype. Methods throw what libtorch throws: callers outside this room and
// server/analysis go through CatchTorch (torch_errors.h).
#ifndef HOMOLOG_SERVER_ENGINE_MODEL_H_
#define HOMOLOG_SERVER_ENGINE_MODEL_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>

namespace homolog::engine {

// Where in an MLP a neuron is read: before or after the nonlinearity.
enum class Site { kMlpPre, kMlpPost };

struct ModelShape {
  int64_t layers = 0;
  int64_t d_model = 0;
  int64_t d_mlp = 0;  // neurons per layer
  int64_t heads = 0;
  int64_t vocabulary_size = 0;
  int64_t context_length = 0;

  int64_t neurons() const { return layers * d_mlp; }
  bool operator==(const ModelShape&) const = default;
};

struct ModelDescription {
  std::string family;        // "gpt2", "gpt_neox"
  std::string nonlinearity;  // Hugging Face's name, "gelu_new"
  ModelShape shape;
};

// Sees the activations [batch, position, d_mlp] of one layer; layers come in ascending order. At
// Site::kMlpPost it sees what the edit made of them. They are there during the call only: the next
// layer takes their place.
using Tap = std::function<void(int64_t layer, const at::Tensor& activations)>;
// Takes one layer's mlp_post [batch, position, d_mlp] and returns what goes on in its place: the
// same tensor, or another of its shape. It must not change the tensor in place, nor keep it.
using Edit = std::function<at::Tensor(int64_t layer, const at::Tensor& mlp_post)>;

// Where one layer's activations are to be written, instead of being shown to a tap: a float tensor
// [batch * position, d_mlp] with any stride between rows. It stays as it is until the forward pass
// ends.
using Destination = std::function<at::Tensor(int64_t layer)>;

// A forward pass between a layer's neurons and what the MLP makes of them: all that the rest of the
// pass depends on.
struct PassState {
  int64_t layer = 0;
  at::Tensor residual;  // [batch * position, d_model]: what the MLP's output is added to
  at::Tensor mlp_post;  // [batch, position, d_mlp], edited
};
// Sees the state in every layer, after tap and edit. Its tensors are there during the call only and
// must not be changed; the call may run other passes.
using StateTap = std::function<void(const PassState& state)>;

struct ForwardOptions {
  Site tap_site = Site::kMlpPost;
  Tap tap;                  // empty: nothing is read
  Destination destination;  // empty: nothing is written; not together with `edit`
  Edit edit;                // empty: nothing is changed
  StateTap state_tap;       // empty: nobody looks
  int64_t last_layer = -1;  // stop once this layer's neurons were read; -1: run to the end
};

class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelDescription& description() const = 0;
  // The device its weights are on.
  virtual at::Device device() const = 0;
  // Runs the blocks over tokens [batch, position] and returns the final, normalised residual stream
  // [batch, position, d_model]; undefined where last_layer stopped it early. Tokens are in
  // [0, vocabulary_size); positions at most context_length.
  virtual at::Tensor Hidden(const at::Tensor& tokens, const ForwardOptions& options) const = 0;
  // Ends a pass from a state of it, or from one put together of several (their batches one after
  // the other) or changed; options are about the layers after state.layer. As Hidden, else.
  virtual at::Tensor Resume(const PassState& state, const ForwardOptions& options) const = 0;
  // Next-token logits [..., vocabulary_size] of Hidden's result or of any rows of it.
  virtual at::Tensor Logits(const at::Tensor& hidden) const = 0;
};

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_MODEL_H_
