// A question that shares pairs with one that was answered computes what is new, and no more.
#include <cstddef>
#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/resource_names.h"
#include "server/results/result_columns.h"
#include "server/store/store.h"
#include "tests/integration/extract.h"

namespace homolog::testing {
namespace {

using Stub = v1::AnalysisService::Stub;

constexpr int64_t kTokens = 40 * 32;  // of the data set

// The value, or a failed test that says why there is none.
template <typename T>
T ValueOf(absl::StatusOr<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return *std::move(result);
}

class PairsTest : public ServerTest, public ::testing::WithParamInterface<v1::Pairing> {
 protected:
  // What the server says of one question.
  struct Answer {
    v1::Operation operation;
    std::vector<v1::Correlation> manifests;                   // one per result
    std::vector<std::map<std::string, std::string>> columns;  // of each, packed
  };

  PairsTest() {
    WriteTinyModel(repository() / "c" / "1", {.seed = 4});
    WriteTinyModel(repository() / "d" / "1", {.seed = 5});
    WriteTinyModel(repository() / "t" / "1", {.seed = 1});  // the twin of a
  }
  void Start() {
    StartServer();
    CreateTextDataset();
  }
  // The same models, and a store that has no result.
  void StartAfresh() {
    StopServer();
    config_.data += "_fresh";
    Start();
  }

  static std::string Checkpoint(char model) {
    return std::string("models/") + model + "/checkpoints/1";
  }
  // The first model against the others.
  static v1::ComputeCorrelationsRequest Question(const std::string& models,
                                                 bool every_reference = false) {
    v1::ComputeCorrelationsRequest request;
    request.set_reference(Checkpoint(models[0]));
    for (const char partner : models.substr(1)) request.add_partners(Checkpoint(partner));
    request.set_dataset("datasets/text");
    request.mutable_parameters()->set_pairing(GetParam());
    request.mutable_parameters()->set_rotations(3);
    request.mutable_parameters()->add_excluded_token_ids(' ');
    request.set_every_reference(every_reference);
    return request;
  }

  Answer Ask(const v1::ComputeCorrelationsRequest& request) {
    Answer answer;
    answer.operation = Wait(ValueOf(Unary(analysis(), &Stub::ComputeCorrelations, request)).name());
    EXPECT_EQ(answer.operation.state(), v1::OPERATION_STATE_SUCCEEDED)
        << answer.operation.DebugString();
    std::vector<std::string> names(answer.operation.results().begin(),
                                   answer.operation.results().end());
    if (names.empty()) names = {answer.operation.result()};
    for (const std::string& name : names) {
      v1::GetCorrelationRequest get;
      get.set_name(name);
      answer.manifests.push_back(ValueOf(Unary(analysis(), &Stub::GetCorrelation, get)));
      answer.columns.push_back(Columns(answer.manifests.back()));
    }
    return answer;
  }
  Answer Ask(const std::string& models, bool every_reference = false) {
    return Ask(Question(models, every_reference));
  }

  // Every column that the correlation has, of all neurons.
  std::map<std::string, std::string> Columns(const v1::Correlation& manifest) {
    using enum results::ColumnGroup;
    std::vector<results::ColumnGroup> groups = {kCorrelations, kStatistics};
    if (GetParam() == v1::PAIRING_BEST) groups.push_back(kDistribution);
    v1::GetNeuronTableRequest request;
    request.set_correlation(manifest.name());
    for (const auto& column : results::ColumnsOf(groups, manifest.partners_size())) {
      request.add_columns(column.Name());
    }
    const v1::GetNeuronTableResponse table =
        ValueOf(Unary(analysis(), &Stub::GetNeuronTable, request));
    EXPECT_TRUE(table.next_page_token().empty());
    std::map<std::string, std::string> columns;
    for (const v1::NeuronColumn& column : table.columns()) {
      columns[column.name()] = column.data();
    }
    EXPECT_EQ(columns.size(), static_cast<size_t>(request.columns_size()));
    return columns;
  }

  v1::CheckpointState StateOf(char model) {
    v1::GetCheckpointRequest request;
    request.set_name(Checkpoint(model));
    return ValueOf(Unary(checkpoints(), &v1::CheckpointService::Stub::GetCheckpoint, request))
        .state();
  }

  // Does something to the store while no server has it open.
  void ChangeStore(const std::function<void(store::Store&)>& change) {
    StopServer();
    {
      const auto store = store::Store::Open(config_.data);
      ASSERT_TRUE(store.ok()) << store.status();
      change(**store);
    }
    StartServer();
  }
};

// Columns of partner `from` of one result are bit by bit those of partner `to` of another.
void ExpectSamePair(const std::map<std::string, std::string>& columns, int from,
                    const std::map<std::string, std::string>& others, int to) {
  const std::string prefix = std::to_string(from) + ".";
  size_t seen = 0;
  for (const auto& [name, bytes] : columns) {
    if (name.rfind(prefix, 0) != 0) continue;
    const std::string other = std::to_string(to) + "." + name.substr(prefix.size());
    ASSERT_EQ(others.count(other), 1u) << other;
    EXPECT_TRUE(others.at(other) == bytes) << name << " and " << other;
    ++seen;
  }
  EXPECT_GE(seen, 6u);
}

// So are the columns of the references alone.
void ExpectSameReference(const std::map<std::string, std::string>& columns,
                         const std::map<std::string, std::string>& others) {
  size_t seen = 0;
  for (const auto& [name, bytes] : columns) {
    if (name != "dead" && name.rfind("activation.", 0) != 0) continue;
    ASSERT_EQ(others.count(name), 1u) << name;
    EXPECT_TRUE(others.at(name) == bytes) << name;
    ++seen;
  }
  EXPECT_EQ(seen, 13u);
}

void ExpectNear(const std::string& name, const std::string& a, const std::string& b) {
  const int partner_count = 9;
  const auto column = results::FindColumn(name, partner_count);
  ASSERT_TRUE(column.has_value()) << name;
  if (column->form->type != v1::COLUMN_TYPE_FLOAT32) {
    EXPECT_TRUE(a == b) << name;
    return;
  }
  const std::vector<float> x = Floats(a), y = Floats(b);
  ASSERT_EQ(x.size(), y.size()) << name;
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], y[i], 1e-6) << name << " at " << i;
}

// In float64.
double Kurtosis(const std::vector<double>& values) {
  const double count = static_cast<double>(values.size());
  double mean = 0, second = 0, fourth = 0;
  for (const double value : values) mean += value / count;
  for (const double value : values) {
    const double square = (value - mean) * (value - mean);
    second += square / count;
    fourth += square * square / count;
  }
  return second > 0 ? fourth / (second * second) : 0;
}

// Takes differences of correlations thirty times: instead of to another answer's it is held to the
// correlations of its own, which are all among the 50 largest.
void ExpectKurtosisOfItsOwn(const std::string& name,
                            const std::map<std::string, std::string>& columns) {
  const std::string prefix = name.substr(0, name.find('.') + 1);
  const std::vector<float> rho = Floats(columns.at(prefix + "top_corr")),
                           kurtosis = Floats(columns.at(name));
  const homolog::testing::TinyModel model;
  const auto partner_neurons = static_cast<size_t>(model.layers * model.d_mlp);
  ASSERT_EQ(rho.size(), kurtosis.size() * partner_neurons) << name;
  for (size_t i = 0; i < kurtosis.size(); ++i) {
    const auto row = rho.begin() + static_cast<std::ptrdiff_t>(i * partner_neurons);
    const double own = Kurtosis({row, row + static_cast<std::ptrdiff_t>(partner_neurons)});
    EXPECT_NEAR(kurtosis[i], own, 1e-6 * own) << name << " at " << i;
  }
}

// What a manifest says of the numbers, not of how they came about.
v1::Correlation OfNumbers(v1::Correlation manifest) {
  manifest.clear_operation();
  manifest.clear_create_time();
  manifest.clear_duration();
  manifest.clear_plan();
  // The neurons of the sample depend on who else was computed.
  for (v1::PairSummary& pair : *manifest.mutable_pairs()) {
    EXPECT_GE(pair.error().pair_count(), 64);
    EXPECT_LT(pair.error().max_abs(), 1e-5);
    EXPECT_GT(pair.error().max_abs(), 0);
    pair.clear_error();
    pair.clear_layer_similarity();  // of which rounding depends on which side was the row
  }
  return manifest;
}

void ExpectNearSimilarities(const v1::Correlation& a, const v1::Correlation& b) {
  ASSERT_EQ(a.pairs_size(), b.pairs_size());
  for (int i = 0; i < a.pairs_size(); ++i) {
    const auto &x = a.pairs(i).layer_similarity(), &y = b.pairs(i).layer_similarity();
    EXPECT_EQ(x.size(), a.parameters().pairing() == v1::PAIRING_BEST ? 4 : 0);
    ASSERT_EQ(x.size(), y.size());
    for (int k = 0; k < x.size(); ++k) EXPECT_NEAR(x[k], y[k], 1e-6);
  }
}

template <typename Answer>
void ExpectSameAnswer(const Answer& answer, const Answer& other) {
  ASSERT_EQ(answer.manifests.size(), other.manifests.size());
  for (size_t i = 0; i < answer.manifests.size(); ++i) {
    SCOPED_TRACE(answer.manifests[i].reference().name());
    EXPECT_EQ(OfNumbers(answer.manifests[i]).DebugString(),
              OfNumbers(other.manifests[i]).DebugString());
    ExpectNearSimilarities(answer.manifests[i], other.manifests[i]);
    ASSERT_EQ(answer.columns[i].size(), other.columns[i].size());
    for (const auto& [name, bytes] : answer.columns[i]) {
      ASSERT_EQ(other.columns[i].count(name), 1u) << name;
      if (name.ends_with(".corr_kurtosis")) {
        ExpectKurtosisOfItsOwn(name, answer.columns[i]);
        ExpectKurtosisOfItsOwn(name, other.columns[i]);
      } else {
        ExpectNear(name, bytes, other.columns[i].at(name));
      }
    }
  }
}

TEST_P(PairsTest, AnotherPartnerTakesItsOwnPairAlone) {
  Start();
  const Answer narrow = Ask("ab");
  EXPECT_EQ(narrow.operation.progress().total_tokens(), 2 * kTokens);
  ChangeStore([](store::Store&) {});  // so that no checkpoint is loaded
  const Answer wide = Ask("abc");
  EXPECT_EQ(wide.operation.progress().total_tokens(), 2 * kTokens);
  EXPECT_EQ(wide.operation.progress().done_tokens(), 2 * kTokens);
  EXPECT_EQ(wide.operation.correlation_plan().passes(), 1);
  EXPECT_EQ(wide.manifests[0].plan().passes(), 1);
  EXPECT_EQ(StateOf('a'), v1::CHECKPOINT_STATE_LOADED);
  EXPECT_NE(StateOf('b'), v1::CHECKPOINT_STATE_LOADED);
  ExpectSamePair(wide.columns[0], 0, narrow.columns[0], 0);
  ExpectSameReference(wide.columns[0], narrow.columns[0]);
  EXPECT_EQ(wide.manifests[0].pairs(0).SerializeAsString(),
            narrow.manifests[0].pairs(0).SerializeAsString());
  StartAfresh();
  const Answer fresh = Ask("abc");
  EXPECT_EQ(fresh.operation.progress().total_tokens(), 3 * kTokens);
  ExpectSameAnswer(wide, fresh);
}

TEST_P(PairsTest, AnotherCheckpointOfEveryReferenceTakesItsOwnPairsAlone) {
  Start();
  const Answer narrow = Ask("ab", /*every_reference=*/true);
  const Answer wide = Ask("abc", true);
  EXPECT_EQ(wide.operation.progress().total_tokens(), 3 * kTokens);
  ASSERT_EQ(wide.columns.size(), 3u);
  ExpectSamePair(wide.columns[0], 0, narrow.columns[0], 0);
  ExpectSamePair(wide.columns[1], 0, narrow.columns[1], 0);
  const Answer wider = Ask("abcd", true);
  for (int reference = 0; reference < 3; ++reference) {
    ExpectSamePair(wider.columns[reference], 0, wide.columns[reference], 0);
    ExpectSamePair(wider.columns[reference], 1, wide.columns[reference], 1);
  }
  StartAfresh();
  const Answer fresh = Ask("abcd", true);
  EXPECT_LT(wider.operation.correlation_plan().multiplications(),
            fresh.operation.correlation_plan().multiplications());
  ExpectSameAnswer(wider, fresh);
  ExpectSameAnswer(wide, Ask("abc", true));  // put together from the larger one
}

TEST_P(PairsTest, PartnersInAnotherOrderOrFewerOfThemTakeNothing) {
  Start();
  const Answer all = Ask("abc");
  ChangeStore([](store::Store&) {});
  for (const auto& [models, places] :
       std::map<std::string, std::vector<int>>{{"acb", {1, 0}}, {"ab", {0}}, {"ac", {1}}}) {
    SCOPED_TRACE(models);
    const Answer some = Ask(models);
    EXPECT_NE(some.operation.result(), all.operation.result());
    EXPECT_EQ(some.operation.progress().total_tokens(), 0);
    EXPECT_FALSE(some.operation.has_correlation_plan());
    EXPECT_FALSE(some.manifests[0].has_plan());
    EXPECT_EQ(some.manifests[0].operation(), some.operation.name());
    EXPECT_EQ(some.manifests[0].counted_positions(), all.manifests[0].counted_positions());
    EXPECT_EQ(some.manifests[0].excluded_positions(), all.manifests[0].excluded_positions());
    ASSERT_EQ(static_cast<size_t>(some.manifests[0].partners_size()), places.size());
    ExpectSameReference(some.columns[0], all.columns[0]);
    for (int i = 0; i < some.manifests[0].partners_size(); ++i) {
      EXPECT_EQ(some.manifests[0].partners(i).SerializeAsString(),
                all.manifests[0].partners(places[i]).SerializeAsString());
      EXPECT_EQ(some.manifests[0].pairs(i).SerializeAsString(),
                all.manifests[0].pairs(places[i]).SerializeAsString());
      ExpectSamePair(some.columns[0], i, all.columns[0], places[i]);
    }
  }
  for (const char model : {'a', 'b', 'c'}) EXPECT_NE(StateOf(model), v1::CHECKPOINT_STATE_LOADED);
  StartAfresh();
  ExpectSameAnswer(all, Ask("abc"));
}

TEST_P(PairsTest, ResultsOfEveryReferenceServeWhateverIsAmongThem) {
  Start();
  const Answer all = Ask("abcd", true);
  const Answer some = Ask("dba", true);
  EXPECT_EQ(some.operation.progress().total_tokens(), 0);
  // Of d, b and a in turn: the places of their partners in the larger question.
  const std::vector<std::pair<int, std::vector<int>>> places = {
      {3, {1, 0}}, {1, {2, 0}}, {0, {2, 0}}};
  for (size_t i = 0; i < 3; ++i) {
    ExpectSameReference(some.columns[i], all.columns[places[i].first]);
    ExpectSamePair(some.columns[i], 0, all.columns[places[i].first], places[i].second[0]);
    ExpectSamePair(some.columns[i], 1, all.columns[places[i].first], places[i].second[1]);
  }
}

TEST_P(PairsTest, SharesAreOfAllPairsTogether) {
  Start();
  Ask("ab");
  const Answer wide = Ask("abt");
  EXPECT_EQ(wide.operation.progress().total_tokens(), 2 * kTokens);
  int64_t any = 0, all = 0;
  for (const v1::UniversalShare& share : wide.manifests[0].universal_shares()) {
    if (share.rule() == v1::UNIVERSALITY_RULE_ANY) any += share.universal_count();
    if (share.rule() == v1::UNIVERSALITY_RULE_ALL) all += share.universal_count();
  }
  EXPECT_GT(any, 0);    // like the twin
  EXPECT_LT(all, any);  // and unlike b
  StartAfresh();
  ExpectSameAnswer(wide, Ask("abt"));
}

TEST_P(PairsTest, ThePairTheOtherWayRoundIsAnother) {
  Start();
  Ask("ab");
  EXPECT_EQ(Ask("ba").operation.progress().total_tokens(), 2 * kTokens);
  const Answer both = Ask("abc", true);
  EXPECT_EQ(both.operation.progress().total_tokens(), 3 * kTokens);
  StartAfresh();
  ExpectSameAnswer(both, Ask("abc", true));
}

TEST_P(PairsTest, OtherParametersShareNothing) {
  Start();
  Ask("ab");
  v1::ComputeCorrelationsRequest request = Question("abc");
  request.mutable_parameters()->set_seed(1);
  EXPECT_EQ(Ask(request).operation.progress().total_tokens(), 3 * kTokens);
}

TEST_P(PairsTest, OtherWeightsUnderTheSameNameShareNothing) {
  Start();
  Ask("ab");
  WriteTinyModel(repository() / "b" / "1", {.seed = 77});
  const Answer wide = Ask("abc");
  EXPECT_EQ(wide.operation.progress().total_tokens(), 3 * kTokens);
  StartAfresh();
  ExpectSameAnswer(wide, Ask("abc"));
}

std::string IdOf(const std::string& name) { return *ParseName(kCorrelations, name); }

// Stores the correlation again with one column changed.
void ChangeColumn(store::Store& store, const std::string& id, const std::string& column,
                  const std::function<void(std::string&)>& change) {
  using results::ColumnGroup;
  const std::vector<ColumnGroup> groups = {ColumnGroup::kCorrelations, ColumnGroup::kStatistics,
                                           ColumnGroup::kDistribution};
  const std::string manifest = *store.GetResult(kCorrelations, id);
  std::vector<store::Blob> blobs;
  for (const auto& known : results::ColumnsOf(groups, 1)) {
    auto bytes = store.GetBlob(kCorrelations, id, known.Name());
    if (!bytes.ok()) continue;  // same_index pairing has no distributions
    if (known.Name() == column) change(*bytes);
    blobs.push_back({known.Name(), *std::move(bytes)});
  }
  ASSERT_TRUE(store.PutResult(kCorrelations, id, manifest, blobs).ok());
}

TEST_P(PairsTest, PairsOfResultsThatAreGoneOrDamagedAreComputedAgain) {
  Start();
  const Answer narrow = Ask("ab");
  const std::string id = IdOf(narrow.operation.result());
  const std::vector<std::function<void(store::Store&)>> damages = {
      // A column that is too short; a number that names no neuron, which only reading shows; a
      // manifest that is none; and nothing left.
      [&](store::Store& store) {
        ChangeColumn(store, id, "activation.skew", [](std::string& bytes) { bytes.pop_back(); });
      },
      [&](store::Store& store) {
        const std::string list = GetParam() == v1::PAIRING_BEST ? "0.top_sim" : "0.max_sim";
        ChangeColumn(store, id, list, [](std::string& bytes) { bytes[3] = '\x7f'; });
      },
      [&](store::Store& store) {
        ASSERT_TRUE(store.PutResult(kCorrelations, id, "\xff\xff", {}).ok());
      },
      [&](store::Store& store) { ASSERT_TRUE(store.DeleteResult(kCorrelations, id).ok()); }};
  for (size_t i = 0; i < damages.size(); ++i) {
    SCOPED_TRACE(i);
    StartAfresh();
    Ask("ab");
    ChangeStore(damages[i]);
    const Answer wide = Ask("abc");
    EXPECT_EQ(wide.operation.progress().total_tokens(), 3 * kTokens);
    ExpectSamePair(wide.columns[0], 0, narrow.columns[0], 0);
  }
}

std::vector<store::Record> PairRecords(const store::Store& store) {
  const auto page = store.ListResults("pairs", 100, "");
  EXPECT_TRUE(page.ok()) << page.status();
  return page.ok() ? page->records : std::vector<store::Record>();
}

void DeletePairRecords(store::Store& store) {
  for (const store::Record& record : PairRecords(store)) {
    ASSERT_TRUE(store.DeleteResult("pairs", record.id).ok());
  }
}

TEST_P(PairsTest, PairsWhoseRecordsAreLostOrDamagedAreComputedAgain) {
  Start();
  Ask("ab");
  ChangeStore([](store::Store& store) {
    const std::vector<store::Record> records = PairRecords(store);
    ASSERT_EQ(records.size(), 1u);
    ASSERT_TRUE(store.PutResult("pairs", records[0].id, "\xff\xff", {}).ok());
  });
  const Answer wide = Ask("abc");
  EXPECT_EQ(wide.operation.progress().total_tokens(), 3 * kTokens);
  ChangeStore(DeletePairRecords);
  const Answer wider = Ask("acbd");
  EXPECT_EQ(wider.operation.progress().total_tokens(), 4 * kTokens);
  ExpectSamePair(wider.columns[0], 0, wide.columns[0], 1);
}

TEST_P(PairsTest, ResultsFoundStoredAreRecordedWhereTheyWereNot) {
  Start();
  Ask("abc");
  ChangeStore(DeletePairRecords);
  Ask("abc", true);  // one of its results is stored
  EXPECT_EQ(Ask("acb").operation.progress().total_tokens(), 0);
}

INSTANTIATE_TEST_SUITE_P(Pairings, PairsTest,
                         ::testing::Values(v1::PAIRING_BEST, v1::PAIRING_SAME_INDEX),
                         [](const auto& info) {
                           return info.param == v1::PAIRING_BEST ? "Best" : "SameIndex";
                         });

}  // namespace
}  // namespace homolog::testing
