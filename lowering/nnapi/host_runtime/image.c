/* Models and executions as one run of bytes. */

#define _GNU_SOURCE

#include "image.h"

#include <stdlib.h>
#include <string.h>

#include "state.h"

#define ALIGNMENT 64

/* The place of some bytes in the image, as the pointer to them that it holds. */
static void *place(struct image *image, const void *data, uint64_t length) {
    if (data == NULL || length == 0 || !image->is_whole) {
        return NULL;
    }
    if (image->count == image->capacity) {
        uint32_t capacity = larger_capacity(image->capacity);
        struct image_piece *pieces = reallocarray(image->pieces, capacity, sizeof *pieces);
        if (pieces == NULL) {
            image->is_whole = false;
            return NULL;
        }
        image->pieces = pieces;
        image->capacity = capacity;
    }
    uint64_t offset = (image->length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    image->pieces[image->count++] = (struct image_piece){data, offset, length};
    image->length = offset + length;
    return (void *)(uintptr_t)offset;
}

/* A copy that the image keeps, for its pointers are to become places. */
static void *own(struct image *image, int number, const void *data, size_t count, size_t size) {
    if (image->is_whole && !copy_array(&image->owned[number], data, count, size)) {
        image->is_whole = false;
    }
    return image->owned[number];
}

static void place_operand(struct image *image, struct host_operand *operand) {
    operand->dimensions = place(image, operand->dimensions, operand->rank * sizeof *operand->dimensions);
    operand->channel_scales = place(image, operand->channel_scales, operand->channel_count * sizeof(float));
    operand->value = place(image, operand->value, operand->length);
}

bool make_model_image(struct image *image, const struct host_model *model) {
    *image = (struct image){.is_whole = true};
    struct host_model *view = own(image, 0, model, 1, sizeof *model);
    struct host_operand *operands = own(image, 1, model->operands, model->operand_count, sizeof *operands);
    struct host_operation *operations = own(image, 2, model->operations, model->operation_count, sizeof *operations);
    if (!image->is_whole) {
        return false;
    }
    place(image, view, sizeof *view);
    view->operands = place(image, operands, model->operand_count * sizeof *operands);
    view->operations = place(image, operations, model->operation_count * sizeof *operations);
    view->inputs = place(image, model->inputs, model->input_count * sizeof *model->inputs);
    view->outputs = place(image, model->outputs, model->output_count * sizeof *model->outputs);
    for (uint32_t i = 0; i < model->operand_count; i++) {
        place_operand(image, &operands[i]);
    }
    for (uint32_t i = 0; i < model->operation_count; i++) {
        struct host_operation *operation = &operations[i];
        operation->inputs = place(image, operation->inputs, operation->input_count * sizeof(uint32_t));
        operation->outputs = place(image, operation->outputs, operation->output_count * sizeof(uint32_t));
    }
    return image->is_whole;
}

bool make_execution_image(struct image *image, const struct host_execution *execution) {
    *image = (struct image){.is_whole = true};
    size_t count = (size_t)execution->input_count + execution->output_count;
    struct host_execution *view = own(image, 0, execution, 1, sizeof *execution);
    struct host_argument *arguments = own(image, 1, execution->inputs, count, sizeof *arguments);
    if (!image->is_whole) {
        return false;
    }
    place(image, view, sizeof *view);
    view->inputs = place(image, arguments, count * sizeof *arguments);
    view->outputs = NULL;
    for (size_t i = 0; i < count; i++) {
        struct host_argument *argument = &arguments[i];
        argument->dimensions = place(image, argument->dimensions, argument->rank * sizeof(uint32_t));
        argument->data = i < execution->input_count ? place(image, argument->data, argument->length) : NULL;
    }
    return image->is_whole;
}

void free_image(struct image *image) {
    for (size_t i = 0; i < sizeof image->owned / sizeof *image->owned; i++) {
        free(image->owned[i]);
    }
    free(image->pieces);
}

bool write_image(const struct image *image, image_writer *write, void *context) {
    static const uint8_t zeros[ALIGNMENT] = {0};
    uint64_t written = 0;
    for (uint32_t i = 0; i < image->count; i++) {
        const struct image_piece *piece = &image->pieces[i];
        if (piece->offset > written && !write(context, zeros, (size_t)(piece->offset - written))) {
            return false;
        }
        if (!write(context, piece->data, (size_t)piece->length)) {
            return false;
        }
        written = piece->offset + piece->length;
    }
    return true;
}

struct image_reader {
    uint8_t *bytes;
    uint64_t length;
    bool is_whole;
};

/* The address of so many bytes at a place. */
static void *at(struct image_reader *reader, const void *place, uint64_t length) {
    uint64_t offset = (uint64_t)(uintptr_t)place;
    if (place == NULL) {
        return NULL;
    }
    if (offset > reader->length || length > reader->length - offset || offset % sizeof(uint64_t) != 0) {
        reader->is_whole = false;
        return NULL;
    }
    return reader->bytes + offset;
}

struct host_model *read_model_image(uint8_t *bytes, uint64_t length) {
    struct image_reader reader = {bytes, length, length >= sizeof(struct host_model)};
    if (!reader.is_whole) {
        return NULL;
    }
    struct host_model *model = (struct host_model *)(void *)bytes;
    model->operands = at(&reader, model->operands, model->operand_count * sizeof *model->operands);
    model->operations = at(&reader, model->operations, model->operation_count * sizeof *model->operations);
    model->inputs = at(&reader, model->inputs, model->input_count * sizeof *model->inputs);
    model->outputs = at(&reader, model->outputs, model->output_count * sizeof *model->outputs);
    for (uint32_t i = 0; reader.is_whole && model->operands != NULL && i < model->operand_count; i++) {
        struct host_operand *operand = &model->operands[i];
        operand->dimensions = at(&reader, operand->dimensions, operand->rank * sizeof(uint32_t));
        operand->channel_scales = at(&reader, operand->channel_scales, operand->channel_count * sizeof(float));
        operand->value = at(&reader, operand->value, operand->length);
    }
    for (uint32_t i = 0; reader.is_whole && model->operations != NULL && i < model->operation_count; i++) {
        struct host_operation *operation = &model->operations[i];
        operation->inputs = at(&reader, operation->inputs, operation->input_count * sizeof(uint32_t));
        operation->outputs = at(&reader, operation->outputs, operation->output_count * sizeof(uint32_t));
    }
    return reader.is_whole ? model : NULL;
}
