#include "tests/bench/operation_count.h"

namespace homolog::bench {

double ProductOperations(int64_t rows, int64_t inner, int64_t columns) {
  return 2.0 * static_cast<double>(rows) * static_cast<double>(inner) *
         static_cast<double>(columns);
}

double ForwardOperations(const engine::ModelShape& shape, int64_t tokens, int64_t length) {
  const int64_t d = shape.d_model;
  // A position sees (length + 1) / 2 others on average, twice.
  const double attention = ProductOperations(tokens, d, 4 * d) +      // qkv and output
                           ProductOperations(tokens, d, length + 1);  // scores and mixing
  const double mlp_product = ProductOperations(tokens, d, shape.d_mlp);
  const auto layers = static_cast<double>(shape.layers);
  return layers * attention + (2 * layers - 1) * mlp_product;
}

}  // namespace homolog::bench
