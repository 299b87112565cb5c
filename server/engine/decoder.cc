#include "server/engine/decoder.h"

#include <ATen/ATen.h>

#include <utility>

#include "server/engine/attention.h"
#include "server/engine/rotary.h"

namespace homolog::engine {
namespace {

// What one forward pass writes into, layer after layer: fresh memory for every product would cost
// as much as the nonlinearities do.
struct Buffers {
  at::Tensor qkv, attention, pre, post, mlp;
  std::optional<Rotary> rotary;  // of the pass's positions; absent where positions are embedded
};

// The sum, in place of `into`, which is a buffer unless gradients are recorded.
at::Tensor Add(at::Tensor into, const at::Tensor& x) {
  return RecordsGradient(into) ? into + x : into.add_(x);
}

class Decoder : public Model {
 public:
  Decoder(DecoderConfig config, DecoderWeights weights)
      : config_(std::move(config)), weights_(std::move(weights)) {}

  const ModelDescription& description() const override { return config_.description; }
  at::Device device() const override { return weights_.token_embedding.device(); }

  at::Tensor Hidden(const at::Tensor& tokens, const ForwardOptions& options) const override {
    Buffers buffers = MakeBuffers(tokens.size(1));
    return RunBlocks(/*first=*/0, Embed(tokens), tokens.size(0), options, buffers);
  }

  at::Tensor Resume(const PassState& state, const ForwardOptions& options) const override {
    Buffers buffers = MakeBuffers(state.mlp_post.size(1));
    const at::Tensor post = state.mlp_post.reshape({-1, shape().d_mlp});
    const at::Tensor mlp = Apply(weights_.blocks[state.layer].mlp_output, post, buffers.mlp);
    return RunBlocks(state.layer + 1, Add(mlp, state.residual), state.mlp_post.size(0), options,
                     buffers);
  }

  at::Tensor Logits(const at::Tensor& hidden) const override {
    return at::matmul(hidden, weights_.unembedding.t());
  }

 private:
  const ModelShape& shape() const { return config_.description.shape; }

  Buffers MakeBuffers(int64_t positions) const {
    Buffers buffers;
    if (config_.rotary) {
      buffers.rotary.emplace(config_.rotary->dimensions, config_.rotary->base, positions,
                             weights_.token_embedding.options().requires_grad(false));
    }
    return buffers;
  }

  // residual: [batch * position, d_model], what block `first` reads.
  at::Tensor RunBlocks(int64_t first, at::Tensor residual, int64_t batch,
                       const ForwardOptions& options, Buffers& buffers) const {
    for (int64_t layer = first; layer < shape().layers; ++layer) {
      const at::Tensor attention = Attention(layer, residual, batch, buffers);
      const at::Tensor attended = Add(attention, residual);
      const at::Tensor& mlp_reads = config_.parallel_residual ? residual : attended;
      const at::Tensor post = Neurons(layer, mlp_reads, batch, options, buffers);
      if (layer == options.last_layer) return {};
      if (options.state_tap) options.state_tap({layer, attended, BySequence(post, batch)});
      residual = Add(Apply(weights_.blocks[layer].mlp_output, post, buffers.mlp), attended);
    }
    return BySequence(Normalise(weights_.final_norm, residual), batch);
  }

  at::Tensor Embed(const at::Tensor& tokens) const {
    at::Tensor embedded = at::embedding(weights_.token_embedding, tokens);
    if (weights_.position_embedding.defined()) {
      embedded = embedded + weights_.position_embedding.narrow(0, 0, tokens.size(1)).unsqueeze(0);
    }
    return embedded.view({-1, shape().d_model});
  }

  at::Tensor Attention(int64_t layer, const at::Tensor& residual, int64_t batch,
                       Buffers& buffers) const {
    const DecoderBlock& block = weights_.blocks[layer];
    const int64_t heads = shape().heads, d_head = shape().d_model / heads;
    const int64_t positions = residual.size(0) / batch;
    const at::Tensor qkv = Apply(block.qkv, Normalise(block.attention_norm, residual), buffers.qkv);
    const bool by_kind = config_.qkv_order == QkvOrder::kByKind;
    const at::Tensor split = by_kind ? qkv.view({batch, positions, 3, heads, d_head})
                                     : qkv.view({batch, positions, heads, 3, d_head});
    const int64_t kind = by_kind ? 2 : 3;
    const at::Tensor q = split.select(kind, 0), k = split.select(kind, 1);
    if (buffers.rotary) {
      buffers.rotary->Turn(q);
      buffers.rotary->Turn(k);
    }
    const at::Tensor mixed =
        CausalAttention(q, k, split.select(kind, 2), config_.attention_scale[layer]);
    return Apply(block.attention_output, mixed.view({-1, shape().d_model}), buffers.attention);
  }

  // mlp_post [batch * position, d_mlp] of one layer, read and edited as the options say.
  at::Tensor Neurons(int64_t layer, const at::Tensor& residual, int64_t batch,
                     const ForwardOptions& options, Buffers& buffers) const {
    const DecoderBlock& block = weights_.blocks[layer];
    const bool read_pre = options.tap_site == Site::kMlpPre, last = layer == options.last_layer;
    const at::Tensor target = options.destination ? options.destination(layer) : at::Tensor();
    // Straight to where they are wanted, unless that is of another type.
    const bool direct = target.defined() && target.scalar_type() == residual.scalar_type();
    if (direct) (read_pre ? buffers.pre : buffers.post) = target;
    auto read = [&](const at::Tensor& activations) {
      if (options.tap) options.tap(layer, BySequence(activations, batch));
      if (target.defined() && !direct) target.copy_(activations);
    };
    const at::Tensor pre = Apply(block.mlp_input, Normalise(block.mlp_norm, residual), buffers.pre);
    if (read_pre) read(pre);
    if (read_pre && last) return {};
    at::Tensor post = Activate(pre, buffers.post);
    if (options.edit) {
      post = options.edit(layer, BySequence(post, batch)).reshape({-1, shape().d_mlp});
    }
    if (!read_pre) read(post);
    return post;
  }

  // [batch, position, ...]
  at::Tensor BySequence(const at::Tensor& rows, int64_t batch) const {
    return rows.unflatten(0, {batch, -1});
  }

  at::Tensor Activate(const at::Tensor& pre, at::Tensor& buffer) const {
    if (RecordsGradient(pre)) return config_.nonlinearity(pre);
    if (!buffer.defined()) buffer = at::empty_like(pre);
    ApplyNonlinearity(config_.nonlinearity, pre, buffer);
    return buffer;
  }

  const DecoderConfig config_;
  const DecoderWeights weights_;
};

}  // namespace

std::unique_ptr<Model> MakeDecoder(DecoderConfig config, DecoderWeights weights) {
  return std::make_unique<Decoder>(std::move(config), std::move(weights));
}

}  // namespace homolog::engine
