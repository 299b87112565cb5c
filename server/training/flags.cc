#include "server/training/flags.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/error.h"
#include "common/text.h"

namespace homolog::training {

void Flags::Refuse(const std::string& name, const std::string& value, const std::string& right) {
  status_.Update(InvalidArgument("INVALID_FLAG",
                                 absl::StrCat(name, " is ", Quoted(value), "; must be ", right),
                                 {{"flag", name}, {"value", value}}));
}

CLI::Option* Flags::Integer(const std::string& name, int64_t& target, const std::string& help) {
  auto read = [this, name, &target](const std::string& value) {
    if (!absl::SimpleAtoi(value, &target)) Refuse(name, value, "an integer");
  };
  return app_.add_option_function<std::string>(name, read, help)
      ->type_name("INTEGER")
      ->default_str(absl::StrCat(target));
}

CLI::Option* Flags::Number(const std::string& name, double& target, const std::string& help) {
  auto read = [this, name, &target](const std::string& value) {
    if (!absl::SimpleAtod(value, &target)) Refuse(name, value, "a number");
  };
  return app_.add_option_function<std::string>(name, read, help)
      ->type_name("NUMBER")
      ->default_str(absl::StrCat(target));
}

CLI::Option* Flags::Integers(const std::string& name, std::vector<int64_t>& target,
                             const std::string& help) {
  auto read = [this, name, &target](const std::string& value) {
    target.clear();
    for (const absl::string_view part : absl::StrSplit(value, ',')) {
      if (!absl::SimpleAtoi(part, &target.emplace_back())) {
        return Refuse(name, value, "integers with commas between them, such as 0,1,2");
      }
    }
  };
  return app_.add_option_function<std::string>(name, read, help)
      ->type_name("INTEGER,...")
      ->default_str(absl::StrJoin(target, ","));
}

CLI::Option* Flags::Text(const std::string& name, std::string& target, const std::string& help) {
  auto read = [&target](const std::string& value) { target = value; };
  return app_.add_option_function<std::string>(name, read, help)->default_str(target);
}

}  // namespace homolog::training
