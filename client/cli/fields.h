// A message type's columns.
#ifndef HOMOLOG_CLIENT_CLI_FIELDS_H_
#define HOMOLOG_CLIENT_CLI_FIELDS_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/table.h"
#include "client/cli/text.h"

namespace homolog::cli {

// Thread-safety: const functions from any thread.
template <typename Message>
class Fields {
 public:
  using Text = std::function<std::string(const Message&, Style)>;

  Fields& Add(std::string name, Text text) {
    columns_.push_back({std::move(name), false});
    texts_.push_back(std::move(text));
    return *this;
  }
  // The same, aligned to the right.
  Fields& AddNumber(std::string name, Text text) {
    Add(std::move(name), std::move(text));
    columns_.back().right = true;
    return *this;
  }

  const std::vector<Column>& columns() const { return columns_; }
  std::vector<std::string> Row(const Message& message, Style style) const {
    std::vector<std::string> row;
    for (const Text& text : texts_) row.push_back(text(message, style));
    return row;
  }

 private:
  std::vector<Column> columns_;
  std::vector<Text> texts_;
};

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_FIELDS_H_
