#include "server/analysis/bfloat16_product.h"

#include <ATen/ATen.h>

#include <dnnl.hpp>

namespace homolog::analysis {
namespace {

using Type = dnnl::memory::data_type;

const dnnl::engine& CpuEngine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

// a^T as [rows, depth]: the strides turned round.
dnnl::memory::desc Transposed(const at::Tensor& t, Type type) {
  return {{t.size(1), t.size(0)}, type, dnnl::memory::dims{t.stride(1), t.stride(0)}};
}

dnnl::memory::desc AsItLies(const at::Tensor& t, Type type) {
  return {{t.size(0), t.size(1)}, type, dnnl::memory::dims{t.stride(0), t.stride(1)}};
}

dnnl::primitive_attr Accumulating() {
  dnnl::post_ops sum;
  sum.append_sum(1.0f);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(sum);
  return attributes;
}

dnnl::matmul::primitive_desc Describe(const dnnl::memory::desc& rows,
                                      const dnnl::memory::desc& columns,
                                      const dnnl::memory::desc& out) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::matmul::primitive_desc(CpuEngine(), rows, columns, out, Accumulating());
#else
  return dnnl::matmul::primitive_desc(dnnl::matmul::desc(rows, columns, out), Accumulating(),
                                      CpuEngine());
#endif
}

bool CanDescribe() {
  const dnnl::memory::desc rounded({16, 16}, Type::bf16, dnnl::memory::dims{16, 1}),
      sum({16, 16}, Type::f32, dnnl::memory::dims{16, 1});
  try {
    Describe(rounded, rounded, sum);
    return true;
  } catch (const dnnl::error&) {
    return false;
  }
}

}  // namespace

bool HasBfloat16Product() {
  static const bool has = CanDescribe();
  return has;
}

void AddBfloat16Product(const at::Tensor& a, const at::Tensor& b, at::Tensor sum) {
  const dnnl::memory::desc rows = Transposed(a, Type::bf16), columns = AsItLies(b, Type::bf16),
                           out = AsItLies(sum, Type::f32);
  // oneDNN remembers the primitives that it made.
  const dnnl::matmul::primitive_desc description = Describe(rows, columns, out);
  dnnl::stream stream(CpuEngine());
  dnnl::matmul(description)
      .execute(stream, {{DNNL_ARG_SRC, {rows, CpuEngine(), a.data_ptr()}},
                        {DNNL_ARG_WEIGHTS, {columns, CpuEngine(), b.data_ptr()}},
                        {DNNL_ARG_DST, {out, CpuEngine(), sum.data_ptr()}}});
  stream.wait();
}

}  // namespace homolog::analysis
