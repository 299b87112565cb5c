#include "server/results/families.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/results/manifest.h"
#include "server/results/packed.h"
#include "server/results/paging.h"

namespace homolog::results {
namespace {

constexpr char kEnds[] = "ends", kMembers[] = "members", kMeanExcess[] = "mean_excess";
constexpr int kDefaultPage = 100;
// A page stays below the 4 MiB that clients of gRPC take; a member is some 60 bytes.
constexpr size_t kPageBytes = 3 << 20, kMostMembers = 10000;

template <typename T>
absl::StatusOr<std::vector<T>> ReadNumbers(const store::Store& store, const std::string& id,
                                           const char* blob) {
  const std::string name = FormatName(kFamilies, id);
  const absl::StatusOr<std::string> bytes = store.GetBlob(kFamilies, id, blob);
  if (absl::IsNotFound(bytes.status())) return Damaged(name, absl::StrCat(blob, " is missing"));
  HOMOLOG_RETURN_IF_ERROR(bytes.status());
  std::optional<std::vector<T>> numbers = Unpack<T>(*bytes);
  if (!numbers) return Damaged(name, absl::StrCat(blob, " is cut off"));
  return *std::move(numbers);
}

int64_t NeuronsOf(const v1::ResultCheckpoint& checkpoint) {
  return checkpoint.shape().layers() * checkpoint.shape().d_mlp();
}

// Whether every family has members, and every member is a neuron of a checkpoint.
bool IsWhole(const StoredFamilies& families) {
  const v1::FamilySet& manifest = families.manifest;
  int32_t before = 0;
  for (const int32_t end : families.ends) {
    if (end <= before) return false;
    before = end;
  }
  return families.mean_excess.size() == families.ends.size() &&
         static_cast<size_t>(before) == families.members.size() &&
         families.size() == manifest.family_count() &&
         std::all_of(families.members.begin(), families.members.end(),
                     [&](const analysis::FamilyNeuron& member) {
                       return member.model >= 0 && member.model < manifest.checkpoints_size() &&
                              member.neuron >= 0 &&
                              member.neuron < NeuronsOf(manifest.checkpoints(member.model));
                     });
}

// The neuron as it stands in the blobs. INVALID_ARGUMENT (INVALID_FAMILY).
absl::StatusOr<analysis::FamilyNeuron> FindMember(const v1::FamilySet& manifest,
                                                  const v1::FamilyMember& member) {
  for (int32_t i = 0; i < manifest.checkpoints_size(); ++i) {
    const v1::ResultCheckpoint& checkpoint = manifest.checkpoints(i);
    if (checkpoint.name() != member.checkpoint()) continue;
    const v1::ModelShape& shape = checkpoint.shape();
    if (member.layer() < 0 || member.layer() >= shape.layers() || member.neuron() < 0 ||
        member.neuron() >= shape.d_mlp()) {
      return InvalidArgument(
          "INVALID_FAMILY",
          absl::StrCat("there is no neuron ", member.layer(), ":", member.neuron(), " in ",
                       member.checkpoint(), "; layers are 0 to ", shape.layers() - 1,
                       ", neurons 0 to ", shape.d_mlp() - 1));
    }
    return analysis::FamilyNeuron{
        i, static_cast<int32_t>(member.layer() * shape.d_mlp() + member.neuron())};
  }
  return InvalidArgument("INVALID_FAMILY",
                         absl::StrCat("member.checkpoint is '", member.checkpoint(), "'; ",
                                      manifest.name(), " is about ", manifest.checkpoints(0).name(),
                                      " and ", manifest.checkpoints_size() - 1, " more"));
}

void WriteFamily(const StoredFamilies& families, int32_t index, v1::NeuronFamily& out) {
  out.set_index(index);
  out.set_mean_excess(families.mean_excess[index]);
  out.set_size(static_cast<int64_t>(families.Members(index).size()));
  std::set<int32_t> models;
  for (const analysis::FamilyNeuron& neuron : families.Members(index)) {
    models.insert(neuron.model);
    if (static_cast<size_t>(out.members_size()) == kMostMembers) continue;
    const v1::ResultCheckpoint& checkpoint = families.manifest.checkpoints(neuron.model);
    const auto d_mlp = static_cast<int32_t>(checkpoint.shape().d_mlp());
    v1::FamilyMember& member = *out.add_members();
    member.set_checkpoint(checkpoint.name());
    member.set_layer(neuron.neuron / d_mlp);
    member.set_neuron(neuron.neuron % d_mlp);
  }
  out.set_model_count(static_cast<int32_t>(models.size()));
}

std::vector<int32_t> FamiliesWith(const StoredFamilies& families,
                                  std::optional<analysis::FamilyNeuron> member) {
  std::vector<int32_t> found;
  for (int32_t i = 0; i < families.size(); ++i) {
    const auto members = families.Members(i);
    if (!member || std::binary_search(members.begin(), members.end(), *member)) found.push_back(i);
  }
  return found;
}

}  // namespace

std::span<const analysis::FamilyNeuron> StoredFamilies::Members(int32_t family) const {
  const int32_t first = family == 0 ? 0 : ends[family - 1];
  return std::span(members).subspan(first, ends[family] - first);
}

absl::Status PutFamilies(store::Store& store, v1::FamilySet manifest,
                         const std::vector<analysis::Family>& families) {
  std::vector<int32_t> ends;
  std::vector<analysis::FamilyNeuron> members;
  std::vector<double> mean_excess;
  std::map<int32_t, int64_t> sizes;
  for (const analysis::Family& family : families) {
    members.insert(members.end(), family.members.begin(), family.members.end());
    ends.push_back(static_cast<int32_t>(members.size()));
    mean_excess.push_back(family.mean_excess);
    ++sizes[static_cast<int32_t>(family.members.size())];
  }
  manifest.set_family_count(static_cast<int64_t>(families.size()));
  manifest.set_member_count(static_cast<int64_t>(members.size()));
  for (const auto& [size, count] : sizes) {
    v1::FamilySizeCount& entry = *manifest.add_sizes();
    entry.set_size(size);
    entry.set_count(count);
  }
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kFamilies, manifest.name()));
  return store.PutResult(
      kFamilies, id, manifest.SerializeAsString(),
      {{kEnds, Pack(ends)}, {kMembers, Pack(members)}, {kMeanExcess, Pack(mean_excess)}});
}

absl::StatusOr<v1::FamilySet> ReadFamilySet(const store::Store& store, const std::string& name) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kFamilies, name));
  HOMOLOG_ASSIGN_OR_RETURN(v1::FamilySet manifest,
                           ReadManifest<v1::FamilySet>(store, kFamilies, id, "FAMILIES_NOT_FOUND"));
  if (manifest.checkpoints().empty()) return Damaged(name, "its manifest lacks checkpoints");
  return manifest;
}

absl::StatusOr<StoredFamilies> ReadFamilies(const store::Store& store, const std::string& name) {
  StoredFamilies families;
  HOMOLOG_ASSIGN_OR_RETURN(families.manifest, ReadFamilySet(store, name));
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kFamilies, name));
  HOMOLOG_ASSIGN_OR_RETURN(families.ends, ReadNumbers<int32_t>(store, id, kEnds));
  HOMOLOG_ASSIGN_OR_RETURN(families.members,
                           ReadNumbers<analysis::FamilyNeuron>(store, id, kMembers));
  HOMOLOG_ASSIGN_OR_RETURN(families.mean_excess, ReadNumbers<double>(store, id, kMeanExcess));
  if (!IsWhole(families)) return Damaged(name, "its columns do not fit together");
  return families;
}

absl::StatusOr<v1::ListFamiliesResponse> ListFamilies(const store::Store& store,
                                                      const v1::ListFamiliesRequest& request,
                                                      const Limits& limits) {
  HOMOLOG_ASSIGN_OR_RETURN(const int page_size,
                           CheckPageSize(request.page_size(), kDefaultPage, limits.page_size));
  HOMOLOG_ASSIGN_OR_RETURN(const StoredFamilies families, ReadFamilies(store, request.parent()));
  std::optional<analysis::FamilyNeuron> member;
  if (request.has_member()) {
    HOMOLOG_ASSIGN_OR_RETURN(member, FindMember(families.manifest, request.member()));
  }
  const std::string listing =
      absl::StrCat(request.parent(), " ", request.member().SerializeAsString());
  HOMOLOG_ASSIGN_OR_RETURN(const int64_t first, ParseOffsetToken(listing, request.page_token()));
  const std::vector<int32_t> found = FamiliesWith(families, member);
  v1::ListFamiliesResponse response;
  response.set_total_size(static_cast<int64_t>(found.size()));
  auto end = std::min<int64_t>(first + page_size, static_cast<int64_t>(found.size()));
  size_t bytes = 0;
  for (int64_t i = first; i < end; ++i) {
    v1::NeuronFamily family;
    WriteFamily(families, found[static_cast<size_t>(i)], family);
    bytes += family.ByteSizeLong();
    if (bytes > kPageBytes && i > first) {
      end = i;
      break;
    }
    *response.add_families() = std::move(family);
  }
  if (end < static_cast<int64_t>(found.size())) {
    response.set_next_page_token(OffsetToken(listing, end));
  }
  return response;
}

}  // namespace homolog::results
