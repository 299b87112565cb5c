// What goes to standard output, in the format that was asked for.
#ifndef HOMOLOG_CLIENT_CLI_OUTPUT_H_
#define HOMOLOG_CLIENT_CLI_OUTPUT_H_

#include <initializer_list>
#include <ostream>
#include <string>

#include "client/cli/fields.h"
#include "client/cli/table.h"
#include "google/protobuf/message.h"

namespace homolog::cli {

enum class Format { kTable, kJson, kCsv };

// Thread-safety: one thread at a time.
class Output {
 public:
  Output(Format format, std::ostream& out) : format_(format), out_(out) {}

  Format format() const { return format_; }

  // A list: `response` as JSON, or its `items` as a table. CSV of a second list continues the
  // first.
  template <typename Items, typename Message>
  void PrintList(const google::protobuf::Message& response, const Items& items,
                 const Fields<Message>& fields) {
    PrintTable(response, MakeTable(items, fields), /*is_record=*/false);
  }
  // One message: JSON, a line per field, or CSV with one record.
  template <typename Message>
  void PrintOne(const Message& message, const Fields<Message>& fields) {
    PrintTable(message, MakeTable(std::initializer_list<Message>{message}, fields),
               /*is_record=*/true);
  }
  // One of a stream of messages, a line each: at once, and in every format.
  template <typename Message>
  void PrintNext(const Message& message, const Fields<Message>& fields) {
    PrintLine(message, MakeTable(std::initializer_list<Message>{message}, fields));
  }
  // What only people read: left out of JSON and CSV.
  void PrintForPeople(const std::string& text);
  // What only programs read: `message` as JSON, left out of tables and CSV.
  void PrintJson(const google::protobuf::Message& message);

 private:
  template <typename Items, typename Message>
  Table MakeTable(const Items& items, const Fields<Message>& fields) const {
    const Style style = format_ == Format::kTable ? Style::kShort : Style::kExact;
    Table table{fields.columns(), {}};
    if (format_ == Format::kJson) return table;
    for (const Message& item : items) table.rows.push_back(fields.Row(item, style));
    return table;
  }
  void PrintTable(const google::protobuf::Message& message, const Table& table, bool is_record);
  void PrintLine(const google::protobuf::Message& message, const Table& table);
  void PrintCsv(const Table& table);

  const Format format_;
  std::ostream& out_;
  bool has_csv_header_ = false;
};

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_OUTPUT_H_
