#include "client/cli/activations_file.h"

#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/enum_text.h"
#include "common/error.h"

namespace homolog::cli {

ActivationsFile::ActivationsFile(std::string path, std::map<std::string, std::string> metadata,
                                 std::function<absl::Status(int64_t, int64_t)> on_bytes)
    : path_(std::move(path)), metadata_(std::move(metadata)), on_bytes_(std::move(on_bytes)) {}

absl::Status ActivationsFile::Begin(const v1::ActivationsHeader& header) {
  header_ = header;
  const std::string site = EnumText(header.site());
  metadata_["site"] = site;
  metadata_["layers"] = absl::StrJoin(header.layers(), ",");
  metadata_["neurons"] = absl::StrJoin(header.neurons(), ",");
  std::vector<SafetensorsEntry> tensors;
  for (const int32_t layer : header.layers()) {
    SafetensorsEntry tensor;
    tensor.name = site + "." + std::to_string(layer);
    tensor.dtype = header.data_type() == v1::DATA_TYPE_FLOAT16 ? SafetensorsDtype::kF16
                                                               : SafetensorsDtype::kF32;
    tensor.shape = {header.positions(), header.neurons_size()};
    tensor_of_layer_[layer] = tensors.size();
    tensors.push_back(std::move(tensor));
  }
  HOMOLOG_ASSIGN_OR_RETURN(writer_,
                           SafetensorsWriter::Create(path_, std::move(tensors), metadata_));
  return absl::OkStatus();
}

absl::Status ActivationsFile::Take(const v1::ActivationsChunk& chunk) {
  const int64_t row_bytes = header_.neurons_size() * client::ElementSize(header_.data_type());
  HOMOLOG_RETURN_IF_ERROR(writer_->Write(tensor_of_layer_.at(chunk.layer()),
                                         chunk.first_position() * row_bytes, chunk.data()));
  written_ += static_cast<int64_t>(chunk.data().size());
  return on_bytes_(written_, header_.layers_size() * header_.positions() * row_bytes);
}

absl::Status ActivationsFile::Finish() { return writer_->Finish(); }

}  // namespace homolog::cli
