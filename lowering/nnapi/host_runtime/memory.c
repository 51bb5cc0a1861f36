/* Memory that is mapped from a file descriptor. */

#define _GNU_SOURCE

#include "state.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A mapping must start at a page. */
static int map_file(ANeuralNetworksMemory *memory, int protect, int fd, size_t offset, const char *function) {
    size_t within_page = offset % (size_t)sysconf(_SC_PAGESIZE);
    memory->mapped = memory->size + within_page;
    memory->mapping = mmap(NULL, memory->mapped, protect | PROT_READ, MAP_SHARED, fd, (off_t)(offset - within_page));
    if (memory->mapping == MAP_FAILED) {
        return refuse(ANEURALNETWORKS_UNMAPPABLE, function, "file descriptor %d cannot be mapped", fd);
    }
    memory->data = (uint8_t *)memory->mapping + within_page;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksMemory_createFromFd(size_t size, int protect, int fd, size_t offset,
                                       ANeuralNetworksMemory **memory) {
    if (memory == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the result has no place");
    }
    *memory = NULL;
    struct stat file;
    if (fd < 0 || fstat(fd, &file) != 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "file descriptor %d is not open", fd);
    }
    if (size == 0 || size > UINT32_MAX || offset > SIZE_MAX / 2) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "size is %zu and offset %zu", size, offset);
    }
    /* Reading behind a file's end would kill the process. */
    if (S_ISREG(file.st_mode) && offset + size > (size_t)file.st_size) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "the file has %zu bytes, wanted %zu",
                      (size_t)file.st_size, offset + size);
    }
    ANeuralNetworksMemory *created = calloc(1, sizeof *created);
    if (created == NULL) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    created->size = size;
    created->is_writable = (protect & PROT_WRITE) != 0;
    int result = map_file(created, protect, fd, offset, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        free(created);
        return result;
    }
    atomic_init(&created->references, 1);
    count_objects(1);
    *memory = created;
    return ANEURALNETWORKS_NO_ERROR;
}

void ANeuralNetworksMemory_free(ANeuralNetworksMemory *memory) { release_memory(memory); }

ANeuralNetworksMemory *hold_memory(const ANeuralNetworksMemory *memory) {
    ANeuralNetworksMemory *held = (ANeuralNetworksMemory *)memory;
    atomic_fetch_add(&held->references, 1);
    return held;
}

void release_memory(ANeuralNetworksMemory *memory) {
    if (memory == NULL || atomic_fetch_sub(&memory->references, 1) != 1) {
        return;
    }
    munmap(memory->mapping, memory->mapped);
    free(memory);
    count_objects(-1);
}

int check_range(const ANeuralNetworksMemory *memory, size_t offset, size_t length, const char *function) {
    if (offset > memory->size || length > memory->size - offset) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "%zu bytes at %zu are wanted of a memory of %zu", length,
                      offset, memory->size);
    }
    if (length == 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "no length is given");
    }
    return ANEURALNETWORKS_NO_ERROR;
}
