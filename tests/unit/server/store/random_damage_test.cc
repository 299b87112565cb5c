// Bits that flip anywhere in the tables of a store at rest: noticed, never served. Prints what
// became of them. HOMOLOG_DAMAGE_FLIPS: how many (20), HOMOLOG_DAMAGE_SEED: which (1).
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "common/error.h"
#include "store_testing.h"

namespace homolog::store {
namespace {

namespace fs = std::filesystem;

constexpr char kKind[] = "correlations";

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoll(value);
}

struct Outcomes {
  int flips = 0, not_opened = 0, noticed = 0, without_effect = 0, served_damaged = 0;
};

class RandomDamageTest : public StoreTestBase {
 protected:
  // Noise, which compression leaves as it is.
  void Fill() {
    for (const size_t bytes : {100, 3000, 70'000, 1'500'000}) {
      const std::string id = "of-" + std::to_string(bytes);
      std::string noise(bytes, '\0');
      for (char& byte : noise) byte = static_cast<char>(random_());
      blobs_[id] = noise;
      ASSERT_TRUE(store_->PutResult(kKind, id, "manifest of " + id, {{"x", noise}}).ok());
    }
    Raw([](RawDatabase& raw) {
      raw.Flush("results");
      raw.Flush("blobs");
    });
    Close();
    fs::copy(path_, folder_ / "pristine", fs::copy_options::recursive);
  }

  // One bit of all bits of all tables.
  void Flip() {
    std::map<fs::path, uint64_t> tables;
    uint64_t bytes = 0;
    for (const fs::directory_entry& file : fs::directory_iterator(path_)) {
      if (file.path().extension() == ".sst") bytes += tables[file.path()] = file.file_size();
    }
    ASSERT_GT(bytes, 1'500'000);
    uint64_t place = random_() % bytes;
    auto table = tables.begin();
    for (; place >= table->second; ++table) place -= table->second;
    std::fstream file(table->first, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(place));
    const int byte = file.get() ^ (1 << random_() % 8);
    file.seekp(static_cast<std::streamoff>(place));
    file.put(static_cast<char>(byte));
    ASSERT_TRUE(file.good());
  }

  void Look(Outcomes& outcomes) {
    absl::StatusOr<std::unique_ptr<Store>> store = Store::Open(path_, {});
    if (!store.ok()) {
      EXPECT_EQ(ErrorReason(store.status()), "STORE_CORRUPT") << store.status();
      ++outcomes.not_opened;
      return;
    }
    bool noticed = false;
    for (const auto& [id, blob] : blobs_) {
      const absl::StatusOr<std::string> manifest = (*store)->GetResult(kKind, id);
      const absl::StatusOr<std::string> read =
          manifest.ok() ? (*store)->GetBlob(kKind, id, "x") : manifest;
      if (!read.ok()) {
        noticed = true;
        EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss) << read.status();
      } else if (*manifest != "manifest of " + id || *read != blob) {
        ++outcomes.served_damaged;
      }
    }
    ++(noticed ? outcomes.noticed : outcomes.without_effect);
  }

  std::mt19937_64 random_{static_cast<uint64_t>(FromEnvironment("HOMOLOG_DAMAGE_SEED", 1))};
  std::map<std::string, std::string> blobs_;
};

TEST_F(RandomDamageTest, IsNoticedAndNeverServed) {
  Fill();
  Outcomes outcomes;
  const int64_t flips = FromEnvironment("HOMOLOG_DAMAGE_FLIPS", 20);
  for (; outcomes.flips < flips; ++outcomes.flips) {
    fs::remove_all(path_);
    fs::copy(folder_ / "pristine", path_, fs::copy_options::recursive);
    Flip();
    Look(outcomes);
  }
  std::cout << "bits flipped " << outcomes.flips << ": noticed by a read " << outcomes.noticed
            << ", by opening " << outcomes.not_opened << ", without effect "
            << outcomes.without_effect << ", results served damaged " << outcomes.served_damaged
            << '\n';
  EXPECT_EQ(outcomes.served_damaged, 0);
  EXPECT_GT(outcomes.noticed + outcomes.not_opened, flips / 2);
}

}  // namespace
}  // namespace homolog::store
