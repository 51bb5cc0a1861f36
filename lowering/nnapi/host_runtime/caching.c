/* Compilations that are kept in files, by the caller's token.

   A file holds the model itself, and what it holds is what computes: as on a phone, a token that is used for two models
   gives the one's numbers for the other. Models that refer to others are not kept. */

#define _GNU_SOURCE

#include "image.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t magic[8] = {'N', 'N', 'C', 'A', 'C', 'H', 'E', '1'};

struct file_head {
    uint8_t magic[8];
    uint64_t length;
    uint64_t checksum;
};

struct written {
    int fd;
    uint64_t checksum;
};

/* FNV-1a, which is enough to tell a damaged file. */
static uint64_t add_to_checksum(uint64_t checksum, const uint8_t *data, size_t length) {
    for (size_t i = 0; i < length; i++) {
        checksum = (checksum ^ data[i]) * 0x100000001b3ULL;
    }
    return checksum;
}

static const uint64_t empty_checksum = 0xcbf29ce484222325ULL;

int ANeuralNetworksCompilation_setCaching(ANeuralNetworksCompilation *compilation, const char *directory,
                                          const uint8_t *token) {
    REQUIRE(ANeuralNetworksCompilation_setCaching);
    if (compilation == NULL || directory == NULL || token == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the compilation, the directory or the token is null");
    }
    if (compilation->is_finished) {
        return refuse(ANEURALNETWORKS_BAD_STATE, __func__, "the compilation is finished");
    }
    char name[2 * ANEURALNETWORKS_BYTE_SIZE_OF_CACHE_TOKEN + 1];
    for (size_t i = 0; i < ANEURALNETWORKS_BYTE_SIZE_OF_CACHE_TOKEN; i++) {
        snprintf(name + 2 * i, 3, "%02x", token[i]);
    }
    char *path;
    if (asprintf(&path, "%s/%s.nnapi-check", directory, name) < 0) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    free(compilation->cache_path);
    compilation->cache_path = path;
    return ANEURALNETWORKS_NO_ERROR;
}

static bool read_whole(int fd, void *data, size_t length) {
    uint8_t *rest = data;
    while (length > 0) {
        ssize_t count = read(fd, rest, length);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return false;
        }
        rest += count;
        length -= (size_t)count;
    }
    return true;
}

static bool write_piece(void *context, const void *data, size_t length) {
    struct written *written = context;
    const uint8_t *rest = data;
    written->checksum = add_to_checksum(written->checksum, data, length);
    while (length > 0) {
        ssize_t count = write(written->fd, rest, length);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return false;
        }
        rest += count;
        length -= (size_t)count;
    }
    return true;
}

/* The bytes of a file's model, or null where there is no such file or it is damaged. */
static uint8_t *read_file(const char *path, uint64_t *length) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    struct stat file;
    struct file_head head;
    uint8_t *bytes = NULL;
    if (fstat(fd, &file) == 0 && read_whole(fd, &head, sizeof head) && memcmp(head.magic, magic, sizeof magic) == 0 &&
        head.length == (uint64_t)file.st_size - sizeof head) {
        bytes = malloc((size_t)head.length);
    }
    if (bytes != NULL && (!read_whole(fd, bytes, (size_t)head.length) ||
                          add_to_checksum(empty_checksum, bytes, (size_t)head.length) != head.checksum)) {
        free(bytes);
        bytes = NULL;
    }
    close(fd);
    *length = bytes == NULL ? 0 : head.length;
    return bytes;
}

/* Write a file whole or not at all. That a cache cannot be filled is no error. */
static void write_file(const char *path, const struct host_model *model) {
    char *made;
    if (asprintf(&made, "%s.XXXXXX", path) < 0) {
        return;
    }
    struct written written = {mkostemp(made, O_CLOEXEC), empty_checksum};
    struct image image = {0};
    struct file_head head = {.length = 0};
    bool is_whole = written.fd >= 0 && make_model_image(&image, model) &&
                    lseek(written.fd, sizeof head, SEEK_SET) >= 0 && write_image(&image, write_piece, &written);
    memcpy(head.magic, magic, sizeof magic);
    head.length = image.length;
    head.checksum = written.checksum;
    is_whole = is_whole && pwrite(written.fd, &head, sizeof head, 0) == sizeof head;
    if (written.fd >= 0) {
        close(written.fd);
        if (!is_whole || rename(made, path) != 0) {
            unlink(made);
        }
    }
    free_image(&image);
    free(made);
}

static bool has_references(const struct host_model *model) {
    for (uint32_t i = 0; i < model->operand_count; i++) {
        if (model->operands[i].source == HOST_SOURCE_MODEL) {
            return true;
        }
    }
    return false;
}

/* Whether the interpreter took the model of the cache in the model's place. */
static bool take_cached(ANeuralNetworksCompilation *compilation) {
    uint64_t length;
    uint8_t *bytes = read_file(compilation->cache_path, &length);
    struct host_model *cached = bytes == NULL ? NULL : read_model_image(bytes, length);
    const struct host_model *model = &compilation->model->view;
    if (cached == NULL || cached->input_count != model->input_count || cached->output_count != model->output_count) {
        free(bytes);
        return false;
    }
    cached->id = next_id();
    cached->level = model->level;
    if (call_finish_model(cached) != ANEURALNETWORKS_NO_ERROR) {
        free(bytes);
        return false;
    }
    compilation->cached = (struct cached_model){bytes, cached->id};
    return true;
}

int prepare_with_cache(ANeuralNetworksCompilation *compilation, const char *function) {
    const struct host_model *model = &compilation->model->view;
    bool is_kept = compilation->cache_path != NULL && !has_references(model);
    if (is_kept && take_cached(compilation)) {
        int result = call_prepare(compilation->id, compilation->cached.id);
        return result == ANEURALNETWORKS_NO_ERROR ? result : refuse(result, function, "the cached model fails");
    }
    int result = call_prepare(compilation->id, model->id);
    if (is_kept && result == ANEURALNETWORKS_NO_ERROR) {
        write_file(compilation->cache_path, model);
    }
    return result;
}

void release_cached(ANeuralNetworksCompilation *compilation) {
    if (compilation->cached.bytes != NULL) {
        call_release(HOST_RELEASE_MODEL, compilation->cached.id);
        free(compilation->cached.bytes);
    }
}
