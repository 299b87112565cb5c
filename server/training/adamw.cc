#include "server/training/adamw.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

namespace homolog::training {

AdamW::AdamW(Parameters& parameters, const Recipe& recipe)
    : parameters_(parameters),
      recipe_(recipe),
      mean_(at::zeros_like(parameters.values())),
      square_(at::zeros_like(parameters.values())),
      scratch_(at::empty_like(parameters.values())) {}

double AdamW::Clip() {
  at::Tensor gradients = parameters_.gradients();
  const double norm = gradients.norm().item<double>();
  if (recipe_.gradient_clip > 0 && norm > recipe_.gradient_clip) {
    gradients.mul_(recipe_.gradient_clip / norm);
  }
  return norm;
}

double AdamW::Step(double learning_rate) {
  const at::NoGradGuard no_grad;
  const double norm = Clip();
  at::Tensor values = parameters_.values(), gradients = parameters_.gradients();
  ++steps_;
  mean_.mul_(recipe_.beta1).add_(gradients, 1.0 - recipe_.beta1);
  square_.mul_(recipe_.beta2).addcmul_(gradients, gradients, 1.0 - recipe_.beta2);
  const double mean_bias = 1.0 - std::pow(recipe_.beta1, static_cast<double>(steps_));
  const double square_bias = 1.0 - std::pow(recipe_.beta2, static_cast<double>(steps_));
  at::sqrt_out(scratch_, square_).div_(std::sqrt(square_bias)).add_(recipe_.epsilon);
  values.narrow(0, 0, parameters_.decayed()).mul_(1.0 - learning_rate * recipe_.weight_decay);
  values.addcdiv_(mean_, scratch_, -learning_rate / mean_bias);
  gradients.zero_();
  return norm;
}

}  // namespace homolog::training
