// homolog-bench tokenize: text to token ids on one core, with the tokenizer of a folder.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "server/datasets/checkpoint_tokenizer.h"
#include "server/datasets/token_reader.h"
#include "tests/bench/benchmark.h"
#include "tests/bench/timing.h"
#include "tests/support/temporary_folder.h"

namespace homolog::bench {
namespace {

constexpr size_t kPiece = 1 << 20;             // as clients send them
constexpr int64_t kAnyVocabulary = 1LL << 30;  // the tokenizer is nobody's in particular

struct Flags {
  std::string tokenizer, text;
};

absl::StatusOr<int64_t> CountTokens(const datasets::Tokenizer& tokenizer, std::string_view text) {
  int64_t tokens = 0;
  auto count = [&](std::span<const int32_t> ids) {
    tokens += static_cast<int64_t>(ids.size());
    return absl::OkStatus();
  };
  const std::unique_ptr<datasets::TokenReader> reader = datasets::MakeTextReader(tokenizer);
  for (size_t at = 0; at < text.size(); at += kPiece) {
    HOMOLOG_RETURN_IF_ERROR(reader->Feed(text.substr(at, kPiece), count));
  }
  HOMOLOG_RETURN_IF_ERROR(reader->Finish(count));
  return tokens;
}

absl::StatusOr<Report> Measure(const Flags& flags, const CommonFlags& common) {
  HOMOLOG_ASSIGN_OR_RETURN(const datasets::CheckpointTokenizer found,
                           datasets::OpenCheckpointTokenizer(flags.tokenizer, kAnyVocabulary));
  if (found.tokenizer == nullptr) return InvalidArgument("NO_TOKENIZER", found.why_none);
  const std::string text = homolog::testing::ReadFile(flags.text);
  int64_t tokens = 0;
  std::vector<double> seconds;
  for (int i = 0; i < common.Repetitions(5); ++i) {
    const double start = Now();
    HOMOLOG_ASSIGN_OR_RETURN(tokens, CountTokens(*found.tokenizer, text));
    seconds.push_back(Now() - start);
  }
  const Timing timing = Summarise(seconds);
  const auto bytes = static_cast<double>(text.size());
  Report report;
  report.rows = {{{"tokenizer", found.kind},
                  {"text_mb", bytes / 1e6},
                  {"tokens", tokens},
                  {"seconds_min", timing.min},
                  {"seconds_median", timing.median},
                  {"mb_per_second", bytes / timing.median / 1e6}}};
  return report;
}

}  // namespace

Run AddTokenize(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  command.add_option("--tokenizer", flags->tokenizer, "Folder with the tokenizer's files")
      ->check(CLI::ExistingDirectory)
      ->required();
  command.add_option("--text", flags->text, "Text file")->check(CLI::ExistingFile)->required();
  return [flags](const CommonFlags& common) { return Measure(*flags, common); };
}

}  // namespace homolog::bench
