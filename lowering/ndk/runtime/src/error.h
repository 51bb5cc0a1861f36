// What a call failed at: a status, and words for the caller that this thread keeps.

#pragma once

#include "nnc.h"

namespace nnc {

// Keeps the words for nnc_last_error(), and gives back the status.
__attribute__((format(printf, 2, 3))) nnc_status fail(nnc_status status, const char *format, ...);

const char *last_error();

}  // namespace nnc

// Returns from a function that returns a status, where an expression's is not NNC_OK.
#define NNC_TRY(expression)                                  \
    do {                                                     \
        const nnc_status nnc_status_of_it = (expression);    \
        if (nnc_status_of_it != NNC_OK) return nnc_status_of_it; \
    } while (false)
