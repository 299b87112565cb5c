// The page of a study.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_CLIENT_REPORT_PAGE_H_
#define HOMOLOG_CLIENT_REPORT_PAGE_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace homolog::report {

// An HTML page with everything in it: style, scripts, the plotting library and `study`, which
// CheckStudy holds for whole. The figures are drawn where the page is opened (page/*.js). Nothing
// in the study can end the element that holds it, and the scripts put it on the page as text only.
std::string RenderPage(const nlohmann::json& study);

}  // namespace homolog::report

#endif  // HOMOLOG_CLIENT_REPORT_PAGE_H_
