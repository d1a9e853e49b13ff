package io.sparkgguf.job;

import io.sparkgguf.model.WeightSource;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.Shape;
import java.io.IOException;
import java.io.Serializable;

/**
 * The weights of a block as they are by now: what is quantized from its parts, the rest from the checkpoint.
 *
 * @param quantized null for none
 */
record BlendedWeights(ModelWeights original, ModelWeights quantized) implements Serializable {

    /** Opens both; for one thread. */
    WeightSource open(Storage storage) {
        WeightSource rest = original.open(storage);
        return quantized == null ? rest : new Opened(rest, quantized.open(storage));
    }

    private record Opened(WeightSource original, WeightSource quantized) implements WeightSource {
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
        }

        @Override
        public void close() throws IOException {
            try (original) {
                quantized.close();
            }
        }
    }
}
