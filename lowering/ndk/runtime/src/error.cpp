#include "error.h"

#include <cstdarg>
#include <cstdio>

namespace nnc {
namespace {

thread_local char words[1024] = "";

}  // namespace

nnc_status fail(nnc_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    return status;
}

const char *last_error() { return words; }

}  // namespace nnc

const char *nnc_last_error(void) { return nnc::last_error(); }
