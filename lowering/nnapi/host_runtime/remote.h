/* The interpreter in another process, reached through a Unix socket. */

#ifndef NNAPI_CHECK_REMOTE_H
#define NNAPI_CHECK_REMOTE_H

#include "bridge.h"

/* The environment's variable that holds the socket's path. */
#define HOST_SOCKET "NNAPI_CHECK_HOST"

/* Callbacks that ask the process behind the socket, or null where the variable is not set. */
const struct host_callbacks *remote_callbacks(void);

enum {
    HOST_ASKS_HELLO = 0,
    HOST_ASKS_FINISH_MODEL = 1,
    HOST_ASKS_SUPPORTED_OPERATIONS = 2,
    HOST_ASKS_PREPARE = 3,
    HOST_ASKS_EXECUTE = 4,
    HOST_ASKS_RELEASE = 5,
};

/* A question, which ``length`` bytes follow. What the two numbers mean depends on its kind. */
struct host_question {
    int32_t kind;
    uint32_t count;
    uint64_t first;
    uint64_t second;
    uint64_t length;
};

/* An answer: words of ``words_length`` bytes follow, and then ``length`` bytes. */
struct host_answer {
    int32_t code;
    uint32_t words_length;
    uint64_t length;
};

/* What an answer to an execution holds for each output, followed by its dimensions and its bytes. */
struct host_answered_output {
    uint32_t rank;
    uint32_t padding;
    uint64_t length;
};

#endif
