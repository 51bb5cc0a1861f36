/* Descriptions of what a memory is for, and memories that are made of them. */

#include "state.h"

#include <stdlib.h>
#include <string.h>

struct ANeuralNetworksMemoryDesc {
    struct memory_purpose purpose;
    bool has_operand;
    bool is_finished;
};

int ANeuralNetworksMemoryDesc_create(ANeuralNetworksMemoryDesc **desc) {
    REQUIRE(ANeuralNetworksMemoryDesc_create);
    if (desc == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the result has no place");
    }
    *desc = calloc(1, sizeof **desc);
    if (*desc == NULL) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    count_objects(1);
    return ANEURALNETWORKS_NO_ERROR;
}

void free_purpose(struct memory_purpose *purpose) {
    for (uint32_t i = 0; i < purpose->role_count; i++) {
        release_compilation((ANeuralNetworksCompilation *)purpose->roles[i].compilation);
    }
    free(purpose->roles);
    free(purpose->dimensions);
}

void ANeuralNetworksMemoryDesc_free(ANeuralNetworksMemoryDesc *desc) {
    if (desc != NULL) {
        free_purpose(&desc->purpose);
        free(desc);
        count_objects(-1);
    }
}

static int check_open_desc(const ANeuralNetworksMemoryDesc *desc, const char *function) {
    if (desc->is_finished) {
        return refuse(ANEURALNETWORKS_BAD_STATE, function, "the description is finished");
    }
    return ANEURALNETWORKS_NO_ERROR;
}

/* Join the known dimensions with others. Unknown is a rank of 0, or a dimension of 0. */
static int join_dimensions(struct memory_purpose *purpose, uint32_t rank, const uint32_t *dimensions,
                           const char *function) {
    if (rank == 0) {
        return ANEURALNETWORKS_NO_ERROR;
    }
    if (purpose->rank != 0 && purpose->rank != rank) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "rank %u does not go with %u", rank, purpose->rank);
    }
    void *joined;
    if (!copy_array(&joined, dimensions, rank, sizeof *dimensions)) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, function, "no memory is left");
    }
    for (uint32_t i = 0; i < purpose->rank; i++) {
        uint32_t known = purpose->dimensions[i];
        if (known != 0 && dimensions[i] != 0 && known != dimensions[i]) {
            free(joined);
            return refuse(ANEURALNETWORKS_BAD_DATA, function, "dimension %u of %u does not go with %u", i,
                          dimensions[i], known);
        }
        if (known != 0) {
            ((uint32_t *)joined)[i] = known;
        }
    }
    free(purpose->dimensions);
    purpose->dimensions = joined;
    purpose->rank = rank;
    return ANEURALNETWORKS_NO_ERROR;
}

static bool is_role(const struct memory_purpose *purpose, const struct memory_role *role) {
    for (uint32_t i = 0; i < purpose->role_count; i++) {
        const struct memory_role *known = &purpose->roles[i];
        if (known->compilation == role->compilation && known->is_output == role->is_output &&
            known->index == role->index) {
            return true;
        }
    }
    return false;
}

static bool has_same_channels(const struct host_operand *a, const struct host_operand *b) {
    return a->channel_dim == b->channel_dim && a->channel_count == b->channel_count &&
           (a->channel_count == 0 ||
            memcmp(a->channel_scales, b->channel_scales, a->channel_count * sizeof(float)) == 0);
}

static int add_role(ANeuralNetworksMemoryDesc *desc, const ANeuralNetworksCompilation *compilation, bool is_output,
                    uint32_t index, float frequency, const char *function) {
    if (desc == NULL || compilation == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, function, "the description or the compilation is null");
    }
    int result = check_open_desc(desc, function);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    struct memory_purpose *purpose = &desc->purpose;
    const struct memory_role role = {compilation, is_output, index};
    const struct host_model *model = &compilation->model->view;
    if (!compilation->is_prepared || is_role(purpose, &role) ||
        index >= (is_output ? model->output_count : model->input_count) || !(frequency > 0.0f && frequency <= 1.0f)) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function,
                      "the compilation is not finished, or the role is known already, or there is no argument %u, or "
                      "the frequency %g is not above 0 and at most 1",
                      index, (double)frequency);
    }
    const struct host_operand *operand = &model->operands[is_output ? model->outputs[index] : model->inputs[index]];
    const struct host_operand *known = &purpose->operand;
    if (desc->has_operand && (operand->type != known->type || operand->scale < known->scale ||
                              operand->scale > known->scale || operand->zero_point != known->zero_point ||
                              !has_same_channels(operand, known))) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "the roles have different types");
    }
    if (!is_tensor_type(operand->type) && purpose->rank != 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "a scalar has no dimensions");
    }
    result = join_dimensions(purpose, operand->rank, operand->dimensions, function);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    struct memory_role *roles = realloc(purpose->roles, (purpose->role_count + 1) * sizeof *roles);
    if (roles == NULL) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, function, "no memory is left");
    }
    purpose->roles = roles;
    purpose->roles[purpose->role_count++] = role;
    hold_compilation((ANeuralNetworksCompilation *)compilation);
    purpose->operand = *operand;
    desc->has_operand = true;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksMemoryDesc_addInputRole(ANeuralNetworksMemoryDesc *desc,
                                           const ANeuralNetworksCompilation *compilation, uint32_t index,
                                           float frequency) {
    REQUIRE(ANeuralNetworksMemoryDesc_addInputRole);
    return add_role(desc, compilation, false, index, frequency, __func__);
}

int ANeuralNetworksMemoryDesc_addOutputRole(ANeuralNetworksMemoryDesc *desc,
                                            const ANeuralNetworksCompilation *compilation, uint32_t index,
                                            float frequency) {
    REQUIRE(ANeuralNetworksMemoryDesc_addOutputRole);
    return add_role(desc, compilation, true, index, frequency, __func__);
}

int ANeuralNetworksMemoryDesc_setDimensions(ANeuralNetworksMemoryDesc *desc, uint32_t rank,
                                            const uint32_t *dimensions) {
    REQUIRE(ANeuralNetworksMemoryDesc_setDimensions);
    if (desc == NULL || (dimensions == NULL && rank > 0)) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the description or the dimensions are null");
    }
    int result = check_open_desc(desc, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    if (desc->has_operand && !is_tensor_type(desc->purpose.operand.type) && rank != 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "a scalar has no dimensions");
    }
    return join_dimensions(&desc->purpose, rank, dimensions, __func__);
}

int ANeuralNetworksMemoryDesc_finish(ANeuralNetworksMemoryDesc *desc) {
    REQUIRE(ANeuralNetworksMemoryDesc_finish);
    if (desc == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the description is null");
    }
    int result = check_open_desc(desc, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    if (desc->purpose.role_count == 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "no role is given");
    }
    desc->is_finished = true;
    return ANEURALNETWORKS_NO_ERROR;
}

static bool copy_purpose(struct memory_purpose *copy, const struct memory_purpose *purpose) {
    void *roles;
    void *dimensions = NULL;
    if (!copy_array(&roles, purpose->roles, purpose->role_count, sizeof *purpose->roles)) {
        return false;
    }
    if (!copy_array(&dimensions, purpose->dimensions, purpose->rank, sizeof *purpose->dimensions)) {
        free(roles);
        return false;
    }
    *copy = *purpose;
    copy->roles = roles;
    copy->dimensions = dimensions;
    for (uint32_t i = 0; i < purpose->role_count; i++) {
        hold_compilation((ANeuralNetworksCompilation *)purpose->roles[i].compilation);
    }
    return true;
}

int ANeuralNetworksMemory_createFromDesc(const ANeuralNetworksMemoryDesc *desc, ANeuralNetworksMemory **memory) {
    REQUIRE(ANeuralNetworksMemory_createFromDesc);
    if (memory != NULL) {
        *memory = NULL;
    }
    if (desc == NULL || memory == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the description or the result is null");
    }
    if (!desc->is_finished) {
        return refuse(ANEURALNETWORKS_BAD_STATE, __func__, "the description is not finished");
    }
    const struct memory_purpose *purpose = &desc->purpose;
    uint64_t size = size_of_value(purpose->operand.type, purpose->rank, purpose->dimensions);
    if (size == 0 || size > UINT32_MAX) {
        return refuse(ANEURALNETWORKS_OP_FAILED, __func__, "the dimensions are not fully known");
    }
    ANeuralNetworksMemory *created = calloc(1, sizeof *created);
    uint8_t *data = created == NULL ? NULL : calloc(1, (size_t)size);
    if (data == NULL || !copy_purpose(&created->purpose, purpose)) {
        free(data);
        free(created);
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    created->data = data;
    created->size = (size_t)size;
    created->is_writable = true;
    created->is_for_roles = true;
    atomic_init(&created->is_initialized, false);
    atomic_init(&created->references, 1);
    count_objects(1);
    *memory = created;
    return ANEURALNETWORKS_NO_ERROR;
}

int check_role(const ANeuralNetworksMemory *memory, const struct memory_role *role, size_t offset, size_t length,
               const char *function) {
    if (!memory->is_for_roles) {
        return ANEURALNETWORKS_NO_ERROR;
    }
    if (!is_role(&memory->purpose, role)) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "the memory was not made for this argument");
    }
    if (offset != 0 || length != 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "%zu bytes at %zu are given of a whole memory, wanted 0 and 0",
                      length, offset);
    }
    return ANEURALNETWORKS_NO_ERROR;
}
