package io.sparkgguf.job;

import io.sparkgguf.model.TernarySource;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.ExactSum;
import io.sparkgguf.quant.TernaryWeights;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.TensorLocation;
import java.io.IOException;

/**
 * Makes the weights of a BitNet layer from what a checkpoint stores. Reads what all rows of the tensor depend on when it is
 * opened: a scale, or, of weights in training, all of them in pieces.
 */
final class TernaryReader {
    private static final int PIECE = 1 << 17;

    /** Bytes that opening holds at the most. */
    static final long MEMORY = (long) PIECE * (Double.BYTES + Float.BYTES);

    private final TernarySource source;

    /** The scale of packed levels; the factor of absmean rounding; NaN for weights that are ternary already. */
    private final float number;

    private TernaryReader(TernarySource source, float number) {
        this.source = source;
        this.number = number;
    }

    /**
     * Opens a tensor.
     *
     * @throws InvalidInputException when its scale is not a positive number
     */
    static TernaryReader open(Storage storage, TernarySource source) throws IOException {
        TensorLocation from = source.isPacked() ? source.scale() : source.stored();
        try (RangeReader reader = storage.open(from.file())) {
            return new TernaryReader(source, source.isPacked() ? scale(reader, source) : factor(reader, from));
        }
    }

    private static float scale(RangeReader reader, TernarySource source) throws IOException {
        TensorLocation at = source.scale();
        float[] stored = new float[1];
        byte[] bytes = new byte[Math.toIntExact(at.length())];
        reader.readFully(at.offset(), bytes, 0, bytes.length);
        BlockFormats.of(at.encoding()).decode(bytes, 0, 1, stored, 0);
        float scale = source.meaning() == TernarySource.Meaning.OVER_SCALE ? 1f / stored[0] : stored[0];
        if (!(stored[0] > 0) || !(scale > 0) || Float.isInfinite(stored[0]) || Float.isInfinite(scale)) {
            throw new InvalidInputException(
                    "Cannot use tensor '" + source.stored().name() + "': its scale '" + at.name()
                            + "' at byte " + at.offset() + " of " + at.file() + " is " + stored[0]
                            + ", not a positive number whose inverse is finite");
        }
        return scale;
    }

    /** What is finite decides; the rest is refused or taken as zero by who reads it. */
    private static float factor(RangeReader reader, TensorLocation stored) throws IOException {
        BlockFormat format = BlockFormats.of(stored.encoding());
        long count = stored.shape().elements();
        ExactSum sum = new ExactSum();
        byte[] bytes = new byte[Math.toIntExact(stored.encoding().bytes(Math.min(PIECE, count)))];
        float[] weights = new float[(int) Math.min(PIECE, count)];
        float scale = 0;
        boolean ternary = true;
        for (long done = 0; done < count; done += PIECE) {
            int some = (int) Math.min(PIECE, count - done);
            reader.readFully(
                    stored.offset() + stored.encoding().bytes(done),
                    bytes,
                    0,
                    Math.toIntExact(stored.encoding().bytes(some)));
            format.decode(bytes, 0, some, weights, 0);
            double pieceSum = 0;
            for (int i = 0; i < some; i++) {
                float magnitude = Math.abs(weights[i]);
                if (magnitude > 0 && Float.isFinite(magnitude)) {
                    scale = scale == 0 ? magnitude : scale;
                    ternary &= magnitude == scale;
                    pieceSum += magnitude;
                }
            }
            sum.add(pieceSum);
        }
        return ternary ? Float.NaN : TernaryWeights.factor(sum.value() / count);
    }

    /**
     * Turns what was decoded into weights.
     *
     * @param decoded {@code count} numbers from index {@code at}; of packed levels the bytes
     * @param first the first one's place among all weights of the tensor, rows in the order of the source
     */
    void apply(float[] decoded, int at, int count, long first) {
        if (!source.isPacked()) {
            if (!Float.isNaN(number)) {
                TernaryWeights.round(decoded, at, count, number);
            }
            return;
        }
        long field = source.stored().shape().elements();
        for (int done = 0; done < count; ) {
            long element = first + done;
            int some = (int) Math.min(count - done, field - element % field);
            int bad = TernaryWeights.unpack(decoded, at + done, some, (int) (element / field), number);
            if (bad >= 0) {
                long place = (element + bad) % field;
                throw new InvalidInputException(
                        "Cannot use tensor '" + source.stored().name() + "': byte "
                                + (source.stored().offset() + place) + " of "
                                + source.stored().file() + " holds the level 3 for field " + element / field
                                + ", but levels go from 0 to 2");
            }
            done += some;
        }
    }
}
