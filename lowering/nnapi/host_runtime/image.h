/* Models and executions as one run of bytes, in which every pointer is the place of what it points to, 0 for null. */

#ifndef NNAPI_CHECK_IMAGE_H
#define NNAPI_CHECK_IMAGE_H

#include "bridge.h"

struct image_piece {
    const void *data;
    uint64_t offset;
    uint64_t length;
};

/* The pieces lie in the order of their offsets, with a gap before each that is filled by zeros. ``owned`` are copies
   whose pointers became places. */
struct image {
    struct image_piece *pieces;
    uint32_t count;
    uint32_t capacity;
    uint64_t length;
    void *owned[3];
    bool is_whole;
};

/* Describe a model or an execution, without copying the values in it. False where memory is lacking; the image is to be
   freed either way, and must not outlive what it describes. */
bool make_model_image(struct image *image, const struct host_model *model);
bool make_execution_image(struct image *image, const struct host_execution *execution);
void free_image(struct image *image);

/* The model that an image holds, whose places become pointers into the bytes. Null where a place lies outside. */
struct host_model *read_model_image(uint8_t *bytes, uint64_t length);

/* Hand the bytes to ``write`` in pieces, until it gives false. */
typedef bool image_writer(void *context, const void *data, size_t length);
bool write_image(const struct image *image, image_writer *write, void *context);

#endif
