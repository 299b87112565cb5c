// What is fuzzed: the parsers of weights, tokenizers and ids from outside. Each takes any bytes,
// and may do anything but crash, hang, or take memory out of proportion; what it accepts it also
// uses.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_TESTS_FUZZ_TARGETS_H_
#define HOMOLOG_TESTS_FUZZ_TARGETS_H_

#include <string_view>

namespace homolog::fuzz {

// common/safetensors.h; reads every byte of every tensor it describes.
void FuzzSafetensors(std::string_view bytes);
// server/tensorfiles/pickle.h; walks all values.
void FuzzPickle(std::string_view bytes);
// server/tensorfiles/torch_file.h, the zip file around the pickle; reads every tensor. Bytes that
// are no zip file are taken for the pickle of one.
void FuzzTorchFile(std::string_view bytes);
// server/datasets/tokenizer_files.h; encodes and decodes a text with the tokenizer.
void FuzzTokenizerJson(std::string_view bytes);
// The .npy reader of server/datasets/token_reader.h, fed in pieces.
void FuzzNpy(std::string_view bytes);

}  // namespace homolog::fuzz

#endif  // HOMOLOG_TESTS_FUZZ_TARGETS_H_
