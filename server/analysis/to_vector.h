// Numbers of a tensor on any device as a vector.
#ifndef HOMOLOG_SERVER_ANALYSIS_TO_VECTOR_H_
#define HOMOLOG_SERVER_ANALYSIS_TO_VECTOR_H_

#include <ATen/ATen.h>

#include <vector>

namespace homolog::analysis {

// In the order of rows, converted to T.
template <typename T>
std::vector<T> ToVector(const at::Tensor& tensor) {
  const at::Tensor cpu = tensor.to(at::kCPU, c10::CppTypeToScalarType<T>::value).contiguous();
  return std::vector<T>(cpu.data_ptr<T>(), cpu.data_ptr<T>() + cpu.numel());
}

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_TO_VECTOR_H_
