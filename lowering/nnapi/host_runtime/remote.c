/* The interpreter in another process: questions and answers through a Unix socket. */

#define _GNU_SOURCE

#include "remote.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "image.h"
#include "state.h"

#define STAGED_BYTES 65536
#define KEPT_CONNECTIONS 16

/* A connection serves one question at a time. Those that serve none are kept for the next. */
static pthread_mutex_t connections_lock = PTHREAD_MUTEX_INITIALIZER;
static int idle[KEPT_CONNECTIONS];
static int idle_count = 0;
static uint64_t client_id = 0;

struct stage {
    int fd;
    size_t used;
    uint8_t bytes[STAGED_BYTES];
};

static bool send_all(int fd, const void *data, size_t length) {
    const uint8_t *rest = data;
    while (length > 0) {
        ssize_t sent = send(fd, rest, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        rest += sent;
        length -= (size_t)sent;
    }
    return true;
}

static bool receive_all(int fd, void *data, size_t length) {
    uint8_t *rest = data;
    while (length > 0) {
        ssize_t received = recv(fd, rest, length, 0);
        if (received < 0 && errno == EINTR) {
            continue;
        }
        if (received <= 0) {
            return false;
        }
        rest += received;
        length -= (size_t)received;
    }
    return true;
}

static bool flush(struct stage *stage) {
    bool is_sent = send_all(stage->fd, stage->bytes, stage->used);
    stage->used = 0;
    return is_sent;
}

static bool write_staged(void *context, const void *data, size_t length) {
    struct stage *stage = context;
    if (length > STAGED_BYTES - stage->used && !flush(stage)) {
        return false;
    }
    if (length > STAGED_BYTES) {
        return send_all(stage->fd, data, length);
    }
    memcpy(stage->bytes + stage->used, data, length);
    stage->used += length;
    return true;
}

static bool ask(int fd, struct host_question question, const struct image *image) {
    struct stage *stage = malloc(sizeof *stage);
    if (stage == NULL) {
        return false;
    }
    stage->fd = fd;
    stage->used = 0;
    question.length = image == NULL ? 0 : image->length;
    bool is_sent = write_staged(stage, &question, sizeof question) &&
                   (image == NULL || write_image(image, write_staged, stage)) && flush(stage);
    free(stage);
    return is_sent;
}

static int connect_to_host(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv(HOST_SOCKET);
    if (path == NULL || strlen(path) >= sizeof address.sun_path) {
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    struct host_question hello = {.kind = HOST_ASKS_HELLO, .first = client_id};
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 || !ask(fd, hello, NULL)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int take_connection(void) {
    int fd = -1;
    pthread_mutex_lock(&connections_lock);
    while (client_id == 0) {
        if (getrandom(&client_id, sizeof client_id, 0) < 0 && errno != EINTR) {
            client_id = (uint64_t)getpid();
        }
    }
    if (idle_count > 0) {
        fd = idle[--idle_count];
    }
    pthread_mutex_unlock(&connections_lock);
    return fd >= 0 ? fd : connect_to_host();
}

static void give_back(int fd) {
    pthread_mutex_lock(&connections_lock);
    bool is_kept = idle_count < KEPT_CONNECTIONS;
    if (is_kept) {
        idle[idle_count++] = fd;
    }
    pthread_mutex_unlock(&connections_lock);
    if (!is_kept) {
        close(fd);
    }
}

/* A program may let the library go. */
__attribute__((destructor)) static void close_connections(void) {
    while (idle_count > 0) {
        close(idle[--idle_count]);
    }
}

static void tell(const char *function, int32_t code, const char *words) {
    fprintf(stderr, "libneuralnetworks: %s gives %d: %s\n", function, (int)code, words);
}

/* Where the answer's bytes go; what is larger than wanted is not taken. */
struct answer {
    struct host_answer head;
    uint8_t *data;
};

static bool read_answer(int fd, struct answer *answer, const char *function) {
    *answer = (struct answer){0};
    if (!receive_all(fd, &answer->head, sizeof answer->head)) {
        return false;
    }
    char *words = malloc((size_t)answer->head.words_length + 1);
    answer->data = malloc((size_t)answer->head.length + 1);
    bool is_read = words != NULL && answer->data != NULL && receive_all(fd, words, answer->head.words_length) &&
                   receive_all(fd, answer->data, (size_t)answer->head.length);
    if (is_read && answer->head.words_length > 0) {
        words[answer->head.words_length] = 0;
        tell(function, answer->head.code, words);
    }
    free(words);
    return is_read;
}

/* Ask and wait for the answer, whose data the caller frees. Nothing is answered where the other process is gone. */
static bool converse(struct host_question question, const struct image *image, struct answer *answer,
                     const char *function) {
    *answer = (struct answer){0};
    int fd = take_connection();
    if (fd < 0) {
        tell(function, ANEURALNETWORKS_OP_FAILED, "nobody listens at the socket that " HOST_SOCKET " names");
        return false;
    }
    if (!ask(fd, question, image) || !read_answer(fd, answer, function)) {
        close(fd);
        free(answer->data);
        answer->data = NULL;
        tell(function, ANEURALNETWORKS_OP_FAILED, "the interpreter's process broke the connection off");
        return false;
    }
    give_back(fd);
    return true;
}

static void remote_finish_model(const struct host_model *model, int32_t *code) {
    struct image image;
    struct answer answer = {0};
    struct host_question question = {.kind = HOST_ASKS_FINISH_MODEL};
    if (make_model_image(&image, model) && converse(question, &image, &answer, "ANeuralNetworksModel_finish")) {
        *code = answer.head.code;
    }
    free(answer.data);
    free_image(&image);
}

static void remote_supported_operations(uint64_t model_id, uint32_t count, uint8_t *supported, int32_t *code) {
    struct answer answer = {0};
    struct host_question question = {.kind = HOST_ASKS_SUPPORTED_OPERATIONS, .count = count, .first = model_id};
    if (converse(question, NULL, &answer, "ANeuralNetworksModel_getSupportedOperationsForDevices") &&
        answer.head.length == count) {
        memcpy(supported, answer.data, count);
        *code = answer.head.code;
    }
    free(answer.data);
}

static void remote_prepare(uint64_t compilation_id, uint64_t model_id, int32_t *code) {
    struct answer answer = {0};
    struct host_question question = {.kind = HOST_ASKS_PREPARE, .first = compilation_id, .second = model_id};
    if (converse(question, NULL, &answer, "ANeuralNetworksCompilation_finish")) {
        *code = answer.head.code;
    }
    free(answer.data);
}

/* Store what the answer holds; the worst that became of an output. */
static int32_t take_outputs(struct host_execution *execution, const struct answer *answer) {
    int32_t worst = ANEURALNETWORKS_NO_ERROR;
    uint64_t place = 0;
    for (uint32_t i = 0; i < execution->output_count; i++) {
        struct host_answered_output head;
        if (answer->head.length - place < sizeof head) {
            return ANEURALNETWORKS_OP_FAILED;
        }
        memcpy(&head, answer->data + place, sizeof head);
        place += sizeof head;
        uint64_t rest = answer->head.length - place;
        if (head.rank * sizeof(uint32_t) > rest || head.length > rest - head.rank * sizeof(uint32_t)) {
            return ANEURALNETWORKS_OP_FAILED;
        }
        uint32_t dimensions[HOST_LARGEST_RANK];
        if (head.rank > HOST_LARGEST_RANK) {
            return ANEURALNETWORKS_OP_FAILED;
        }
        memcpy(dimensions, answer->data + place, head.rank * sizeof(uint32_t));
        place += head.rank * sizeof(uint32_t);
        int code = nnapi_host_write_output(execution, i, head.rank, dimensions, answer->data + place, head.length);
        if (code != ANEURALNETWORKS_NO_ERROR) {
            tell("ANeuralNetworksExecution_compute", code, "an output has less room than bytes");
            worst = code;
        }
        place += head.length;
    }
    return worst;
}

static void remote_execute(struct host_execution *execution, int32_t *code) {
    struct image image;
    struct answer answer = {0};
    struct host_question question = {.kind = HOST_ASKS_EXECUTE};
    if (make_execution_image(&image, execution) &&
        converse(question, &image, &answer, "ANeuralNetworksExecution_compute")) {
        *code = answer.head.code == ANEURALNETWORKS_NO_ERROR ? take_outputs(execution, &answer) : answer.head.code;
    }
    free(answer.data);
    free_image(&image);
}

static void remote_release(int32_t what, uint64_t id) {
    struct answer answer = {0};
    struct host_question question = {.kind = HOST_ASKS_RELEASE, .count = (uint32_t)what, .first = id};
    converse(question, NULL, &answer, "ANeuralNetworks_free");
    free(answer.data);
}

static const struct host_callbacks callbacks = {
    remote_finish_model, remote_supported_operations, remote_prepare, remote_execute, remote_release, tell,
};

const struct host_callbacks *remote_callbacks(void) { return getenv(HOST_SOCKET) == NULL ? NULL : &callbacks; }
