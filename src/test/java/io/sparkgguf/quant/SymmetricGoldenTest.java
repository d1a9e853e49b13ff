package io.sparkgguf.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import io.sparkgguf.kernel.LegacyImportanceEncoder;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The searched symmetric formats, in vectors and by their scalar definitions, give the bytes of ggml's quantizers. */
class SymmetricGoldenTest {
    private interface Encode {
        void encode(float[] x, int rows, int columns, float[] importance, byte[] out);
    }

    private record Encoder(String type, boolean vector, boolean plain, Encode encode) {
        @Override
        public String toString() {
            return type + (vector ? " vector" : " scalar");
        }
    }

    static List<Object[]> vectors() {
        List<Object[]> all = new ArrayList<>();
        for (String name : GoldenFile.NAMES) {
            GoldenFile golden = GoldenFile.read(name);
            for (boolean vector : new boolean[] {false, true}) {
                for (BlockFormat format :
                        List.of(new Q3K(vector), new Q6K(vector), new IQ4NL(vector), new IQ4XS(vector))) {
                    all.add(new Object[] {
                        golden,
                        new Encoder(
                                format.encoding().label(),
                                vector,
                                true,
                                (x, rows, columns, importance, out) ->
                                        format.encode(x, 0, rows, columns, importance, 0, out, 0))
                    });
                }
                for (int bits = 4; bits <= 5; bits++) {
                    int b = bits;
                    all.add(new Object[] {
                        golden,
                        new Encoder("Q" + b + "_0", vector, false, (x, rows, columns, importance, out) -> {
                            if (vector) {
                                LegacyImportanceEncoder.vector(b, x, 0, rows, columns, importance, 0, out, 0);
                            } else {
                                LegacyImportanceEncoder.scalar(b, x, 0, rows, columns, importance, 0, out, 0);
                            }
                        })
                    });
                }
            }
        }
        return all;
    }

    @ParameterizedTest(name = "{1} of {0}")
    @MethodSource("vectors")
    void encodesByteForByte(GoldenFile golden, Encoder encoder) {
        for (String variant : encoder.plain
                ? List.of("plain", "imatrix", "imatrix_with_zeros")
                : List.of("imatrix", "imatrix_with_zeros")) {
            byte[] expected = golden.tensors().get(encoder.type + "." + variant);
            byte[] actual = new byte[expected.length];
            float[] importance = variant.equals("plain") ? null : golden.floats(variant);
            encoder.encode.encode(golden.input(), golden.rows(), golden.columns(), importance, actual);
            assertArrayEquals(expected, actual, () -> golden.name() + " " + encoder + " " + variant);
        }
    }
}
