#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"
#include "compressing.h"
#include "reading.h"
#include "server/datasets/token_reader.h"
#include "server/datasets/tokenizer.h"

namespace homolog::datasets {
namespace {

using ::testing::HasSubstr;

// Reads to bytes: what comes out is what the inner reader was given.
Outcome Read(std::string_view bytes, size_t piece = 1 << 30) {
  const auto tokenizer = MakeByteTokenizer();
  const auto reader = MakeDecompressingReader(MakeTextReader(*tokenizer));
  return ReadPieces(*reader, bytes, piece);
}

std::string Text(const Outcome& outcome) { return {outcome.ids.begin(), outcome.ids.end()}; }

std::string Words(size_t size) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < size) absl::StrAppend(&text, random() % 1000, " ");
  return text;
}

void ExpectText(const std::string& bytes, const std::string& text) {
  for (const size_t piece : {size_t{1} << 30, size_t{1}, size_t{2}, size_t{3}, size_t{1000}}) {
    const Outcome outcome = Read(bytes, piece);
    EXPECT_TRUE(outcome.status.ok()) << outcome.status << " in pieces of " << piece;
    EXPECT_TRUE(Text(outcome) == text) << "in pieces of " << piece;
  }
}

void ExpectMalformed(const std::string& bytes, const std::vector<std::string>& parts = {}) {
  for (const size_t piece : {size_t{1} << 30, size_t{1}}) {
    const absl::Status status = Read(bytes, piece).status;
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ErrorReason(status), "MALFORMED_COMPRESSION") << status;
    for (const std::string& part : parts) {
      EXPECT_THAT(std::string(status.message()), HasSubstr(part));
    }
  }
}

TEST(DecompressingReaderTest, LetsOtherBytesThrough) {
  for (const std::string text : {"", "a", "plain text", "(", "(\xB5", "(\xB5/", "(\xB5/x", "\x1F",
                                 "\x1Fx", "P", "P*", "P*M", "P*Mx", "\x5F*M\x17", "{}\n"}) {
    ExpectText(text, text);
  }
}

TEST(DecompressingReaderTest, DecompressesGzip) {
  ExpectText(Gzip(""), "");
  ExpectText(Gzip("hello"), "hello");
  ExpectText(Gzip(Words(300000)), Words(300000));
}

TEST(DecompressingReaderTest, DecompressesZstd) {
  ExpectText(Zstd(""), "");
  ExpectText(Zstd("hello"), "hello");
  ExpectText(Zstd(Words(300000)), Words(300000));
}

TEST(DecompressingReaderTest, DecompressesSeveralMembersAndFrames) {
  ExpectText(Gzip("one ") + Gzip("") + Gzip("two ") + Gzip("three"), "one two three");
  ExpectText(Zstd("one ") + Zstd("") + Zstd("two ") + Zstd("three"), "one two three");
}

TEST(DecompressingReaderTest, SkipsSkippableFrames) {
  const std::string skipped = SkippableFrame("no text") + SkippableFrame("");
  ExpectText(Zstd("one ") + skipped + Zstd("two") + skipped, "one two");
  ExpectText(skipped + Zstd("one"), "one");
}

TEST(DecompressingReaderTest, RefusesDataThatEndEarly) {
  for (const std::string& bytes :
       {Gzip("hello, hello"), Gzip("one") + Gzip("two"), Zstd("hello, hello"),
        Zstd("one") + Zstd("two"), SkippableFrame("skipped") + Zstd("one")}) {
    int whole = 0;
    for (size_t size = 4; size < bytes.size(); ++size) {
      const Outcome outcome = Read(bytes.substr(0, size), 5);
      // Between two members or frames the data are complete.
      if (outcome.status.ok()) {
        ++whole;
        continue;
      }
      EXPECT_EQ(ErrorReason(outcome.status), "MALFORMED_COMPRESSION") << size;
      EXPECT_THAT(std::string(outcome.status.message()), HasSubstr("complete"));
    }
    EXPECT_LE(whole, 1);
  }
}

TEST(DecompressingReaderTest, RefusesDataWithAFlippedBitOrReadsThemRight) {
  const std::string text = Words(2000);
  for (const std::string& bytes : {Gzip(text), Zstd(text)}) {
    int refused = 0;
    for (size_t at = 4; at < bytes.size(); ++at) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
      const Outcome outcome = Read(flipped);
      if (!outcome.status.ok()) {
        EXPECT_EQ(ErrorReason(outcome.status), "MALFORMED_COMPRESSION") << outcome.status;
        ++refused;
      } else {
        EXPECT_EQ(Text(outcome), text) << at;  // times and names in gzip's header mean nothing
      }
    }
    EXPECT_GT(refused, static_cast<int>(bytes.size()) - 20);
  }
}

TEST(DecompressingReaderTest, RefusesBytesBehindTheLastMember) {
  ExpectMalformed(Gzip("hello") + "rubbish", {"gzip"});
  ExpectMalformed(Zstd("hello") + "rubbish", {"zstd"});
}

TEST(DecompressingReaderTest, RefusesAZstdWindowBeyond128Mebibytes) {
  ExpectText(Zstd("hello", 27), "hello");
  ExpectMalformed(Zstd("hello", 28), {"128 MiB", "--long=27"});
}

TEST(DecompressingReaderTest, StopsInsideABombAsSoonAsItIsTold) {
  const std::string zeros(64 << 20, '\0');
  for (const std::string& bomb : {Gzip(zeros), Zstd(zeros)}) {
    ASSERT_LT(bomb.size(), 100000u);
    const auto tokenizer = MakeByteTokenizer();
    const auto reader = MakeDecompressingReader(MakeTextReader(*tokenizer));
    size_t taken = 0;
    const auto sink = [&](std::span<const int32_t> ids) {
      EXPECT_LE(ids.size(), 128u << 10);
      taken += ids.size();
      return taken >= 1000000 ? absl::CancelledError("enough") : absl::OkStatus();
    };
    EXPECT_EQ(reader->Feed(bomb, sink).code(), absl::StatusCode::kCancelled);
    EXPECT_LT(taken, 1200000u);
    EXPECT_EQ(reader->documents(), 1);
  }
}

// A few kilobytes of nothing but line ends stand for many megabytes.
TEST(DecompressingReaderTest, AsksWhetherToGoOnWhereNoIdsCome) {
  const std::unique_ptr<Tokenizer> tokenizer = MakeByteTokenizer();
  auto jsonl = MakeJsonlReader(*tokenizer);
  ASSERT_TRUE(jsonl.ok());
  const auto reader = MakeDecompressingReader(*std::move(jsonl));
  int asked = 0;
  const absl::Status status =
      reader->Feed(Gzip(std::string(64 << 20, '\n')), [&](std::span<const int32_t> ids) {
        EXPECT_TRUE(ids.empty());
        return ++asked < 3 ? absl::OkStatus() : absl::CancelledError("enough");
      });
  EXPECT_TRUE(absl::IsCancelled(status));
  EXPECT_EQ(asked, 3);
}

TEST(DecompressingReaderTest, GivesTheErrorsOfTheInnerReader) {
  const auto reader = MakeDecompressingReader(MakeNpyReader(10));
  const absl::Status status = reader->Feed(Gzip("this is no numpy file"), NoIds);
  EXPECT_EQ(ErrorReason(status), "MALFORMED_NPY");
  EXPECT_EQ(reader->Finish(NoIds), status);
}

}  // namespace
}  // namespace homolog::datasets
