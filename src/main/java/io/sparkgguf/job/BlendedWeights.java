package io.sparkgguf.job;

import io.sparkgguf.job.qat.Weights;
import io.sparkgguf.kernel.Finite;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.Shape;
import java.io.IOException;

/**
 * The weights of a block as they are by now: what is quantized from its parts, the rest from the checkpoint.
 *
 * @param quantized null for none
 * @param allowNonFinite take NaN and infinite weights as zero, as what is quantized from them does
 */
record BlendedWeights(ModelWeights original, ModelWeights quantized, boolean allowNonFinite) implements Weights {

    @Override
    public WeightSource open(Storage storage) {
        WeightSource rest = original.open(storage);
        return new Opened(rest, quantized == null ? rest : quantized.open(storage), allowNonFinite);
    }

    private record Opened(WeightSource original, WeightSource quantized, boolean allowNonFinite)
            implements WeightSource {
        private WeightSource of(String name) {
            return quantized.has(name) ? quantized : original;
        }

        @Override
        public boolean has(String name) {
            return original.has(name);
        }

        @Override
        public Shape shape(String name) {
            return original.shape(name);
        }

        @Override
        public void rows(String name, long firstRow, int rows, float[] into, int at) throws IOException {
            of(name).rows(name, firstRow, rows, into, at);
            int end = at + Math.toIntExact(rows * shape(name).columns());
            if (allowNonFinite) {
                int from = at;
                for (int bad = Finite.firstNonFinite(into, from, end - from); bad >= 0; ) {
                    from += bad;
                    into[from++] = 0f;
                    bad = Finite.firstNonFinite(into, from, end - from);
                }
            }
        }

        @Override
        public void close() throws IOException {
            try (original) {
                if (quantized != original) {
                    quantized.close();
                }
            }
        }
    }
}
