/* Memory that is mapped from a file descriptor, and copies between memories. */

#define _GNU_SOURCE

#include "state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A mapping starts at a page. */
static int map_file(ANeuralNetworksMemory *memory, int protect, int fd, size_t offset, const char *function) {
    if (offset % (size_t)sysconf(_SC_PAGESIZE) != 0) {
        return refuse(ANEURALNETWORKS_UNMAPPABLE, function, "offset %zu is not at the start of a page", offset);
    }
    memory->mapped = memory->size;
    memory->mapping = mmap(NULL, memory->mapped, protect | PROT_READ, MAP_SHARED, fd, (off_t)offset);
    if (memory->mapping == MAP_FAILED) {
        return refuse(ANEURALNETWORKS_UNMAPPABLE, function, "file descriptor %d cannot be mapped", fd);
    }
    memory->data = memory->mapping;
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
    atomic_init(&created->is_initialized, true);
    atomic_init(&created->references, 1);
    count_objects(1);
    *memory = created;
    return ANEURALNETWORKS_NO_ERROR;
}

void ANeuralNetworksMemory_free(ANeuralNetworksMemory *memory) {
    if (memory != NULL) {
        atomic_store(&memory->is_freed, true);
    }
    release_memory(memory);
}

int ANeuralNetworksMemory_createFromAHardwareBuffer(const AHardwareBuffer *buffer, ANeuralNetworksMemory **memory) {
    REQUIRE(ANeuralNetworksMemory_createFromAHardwareBuffer);
    if (memory != NULL) {
        *memory = NULL;
    }
    if (buffer == NULL || memory == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the buffer or the result is null");
    }
    return refuse(ANEURALNETWORKS_UNMAPPABLE, __func__, "this machine has no hardware buffers of Android");
}

int ANeuralNetworksMemory_copy(const ANeuralNetworksMemory *source, const ANeuralNetworksMemory *destination) {
    REQUIRE(ANeuralNetworksMemory_copy);
    if (source == NULL || destination == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "a memory is null");
    }
    ANeuralNetworksMemory *changed = (ANeuralNetworksMemory *)destination;
    if (source == destination) {
        return ANEURALNETWORKS_NO_ERROR;
    }
    int result = ANEURALNETWORKS_NO_ERROR;
    if (!atomic_load(&source->is_initialized)) {
        result = refuse(ANEURALNETWORKS_BAD_DATA, __func__, "the source was never written");
    } else if (source->size != destination->size) {
        result = refuse(ANEURALNETWORKS_BAD_DATA, __func__, "%zu bytes are to be copied to %zu", source->size,
                        destination->size);
    } else if (!destination->is_writable) {
        result = refuse(ANEURALNETWORKS_UNMAPPABLE, __func__, "the destination is not mapped for writing");
    } else {
        memcpy(changed->data, source->data, source->size);
    }
    atomic_store(&changed->is_initialized, result == ANEURALNETWORKS_NO_ERROR || !destination->is_for_roles);
    return result;
}

ANeuralNetworksMemory *hold_memory(const ANeuralNetworksMemory *memory) {
    ANeuralNetworksMemory *held = (ANeuralNetworksMemory *)memory;
    atomic_fetch_add(&held->references, 1);
    return held;
}

void release_memory(ANeuralNetworksMemory *memory) {
    if (memory == NULL || atomic_fetch_sub(&memory->references, 1) != 1) {
        return;
    }
    if (memory->is_for_roles) {
        free(memory->data);
        free_purpose(&memory->purpose);
    } else {
        munmap(memory->mapping, memory->mapped);
    }
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
