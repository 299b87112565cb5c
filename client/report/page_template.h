// The page around a study, put together by the build (embed_page.cmake).
//
// Thread-safety: constants.
#ifndef HOMOLOG_CLIENT_REPORT_PAGE_TEMPLATE_H_
#define HOMOLOG_CLIENT_REPORT_PAGE_TEMPLATE_H_

#include <string_view>

namespace homolog::report {

extern const std::string_view kPageBeforeStudy;
extern const std::string_view kPageAfterStudy;

}  // namespace homolog::report

#endif  // HOMOLOG_CLIENT_REPORT_PAGE_TEMPLATE_H_
