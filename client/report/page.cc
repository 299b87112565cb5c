#include "client/report/page.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "client/report/page_template.h"

namespace homolog::report {
namespace {

// A "<" stands only within strings of JSON, where it may as well be written by its number. Without
// it, no text is read as the end of the script, as a comment or as another script.
std::string WithoutTags(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

}  // namespace

std::string RenderPage(const nlohmann::json& study) {
  const std::string data =
      WithoutTags(study.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  std::string page(kPageBeforeStudy);
  page += data;
  page += kPageAfterStudy;
  return page;
}

}  // namespace homolog::report
