package io.sparkgguf.model;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.TensorLocation;
import java.io.Serializable;
import java.util.Collections;
import java.util.List;

/**
 * How what is stored becomes weights -s, 0 and s of a BitNet b1.58 layer.
 *
 * @param meaning what the stored numbers are
 * @param stored all of the tensor
 * @param scale where the scale lies, one number; null when s follows from the weights
 */
public record TernarySource(Meaning meaning, TensorLocation stored, TensorLocation scale) implements Serializable {

    /** What stored numbers are. */
    public enum Meaning {
        /** Packed levels q; the weight is q * scale. */
        TIMES_SCALE,
        /** Packed levels q; the weight is q / scale. */
        OVER_SCALE,
        /** Weights in training, of which the model uses what absmean rounding makes of them. */
        MASTER,
        /** The same of a checkpoint that runs with the weights as they are: rounded only where the target is a ternary type. */
        MASTER_FOR_TERNARY_TYPES
    }

    /** Levels of a packed byte, two bits each from the lowest: level i of packed row r is of row i * packed rows + r. */
    public static final int FIELDS = 4;

    /** Whether a byte holds four levels. */
    public boolean isPacked() {
        return meaning == Meaning.TIMES_SCALE || meaning == Meaning.OVER_SCALE;
    }

    /** Whether a tensor that becomes this type is made so; the model itself runs with what is made for F32. */
    public boolean appliesTo(BlockType target) {
        return meaning != Meaning.MASTER_FOR_TERNARY_TYPES || target == BlockType.TQ1_0 || target == BlockType.TQ2_0;
    }

    /**
     * A packed tensor as parts of a stack: its bytes once for each of the four quarters of the rows.
     *
     * @param packed bytes, [rows / 4, columns]
     * @param scale one number
     * @throws InvalidInputException when either is of the wrong type or shape
     */
    static ModelTensor.Stored packed(TensorLocation packed, TensorLocation scale, Meaning meaning, RowOrder order) {
        if (scale.shape().elements() != 1) {
            throw new InvalidInputException("Cannot convert tensor '" + packed.name() + "' of " + packed.file()
                    + ": its scale '" + scale.name() + "' has the shape " + scale.shape()
                    + ", but one scale for the whole tensor is known");
        }
        if (!(scale.encoding() instanceof DType type)
                || type != DType.F32 && type != DType.BF16 && type != DType.F16 && type != DType.F64) {
            throw new InvalidInputException("Cannot convert tensor '" + packed.name() + "' of " + packed.file()
                    + ": its scale '" + scale.name() + "' is stored as "
                    + scale.encoding().label() + ", not as F64, F32, F16 or BF16");
        }
        List<TensorLocation> parts = Collections.nCopies(FIELDS, packed);
        return new ModelTensor.Stored(parts, order, new TernarySource(meaning, packed, scale));
    }
}
