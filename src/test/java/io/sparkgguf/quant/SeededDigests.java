package io.sparkgguf.quant;

import io.sparkgguf.kernel.GridRounding;
import io.sparkgguf.kernel.Lanes;
import io.sparkgguf.linalg.SeededProducts;
import io.sparkgguf.model.forward.ForwardDigest;
import io.sparkgguf.qat.TrainingDigest;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/**
 * Digests of what every encoder makes of seeded rows, of what its grid makes of others, of matrix products, of a forward
 * pass, of trainings and of solved rows, for comparing one JVM with another. As a program it prints a line {@code NAME DIGEST} for each and
 * {@code lanes N}.
 */
final class SeededDigests {
    static final long SEED = 20261123;

    /** Repeated so that most calls run compiled, the first ones interpreted. */
    private static final int PASSES = 40;

    private static final int COLUMNS = 1280;

    private static final int GRID_PASSES = 8;
    private static final int GRID_ROWS = 37;
    private static final int GRID_COLUMNS = 256;

    private SeededDigests() {}

    public static void main(String[] args) {
        compute().forEach((type, digest) -> System.out.println(type + " " + digest));
        System.out.println("lanes " + Lanes.WIDTH);
    }

    /**
     * SHA-256, by type, over blocks, decoded weights and error figures of all passes, without and with importance; those of
     * {@link SeededProducts} and {@link SolveDigests}; and those of {@link ForwardDigest} and {@link TrainingDigest}.
     */
    static Map<String, String> compute() {
        Map<String, String> digests = new TreeMap<>(SeededProducts.compute());
        for (BlockType type : BlockType.values()) {
            BlockFormat format = BlockFormats.of(type);
            if (format.encodes()) {
                MessageDigest digest = sha256();
                Random random = new Random(SEED);
                for (int pass = 0; pass < PASSES; pass++) {
                    update(digest, format, random, 1 + pass % 4);
                }
                digests.put(type.label(), HexFormat.of().formatHex(digest.digest()));
            }
            GridFormats.of(type).ifPresent(grid -> digests.put(type.label() + "-grid", digest(grid)));
        }
        MessageDigest forward = sha256();
        MessageDigest training = sha256();
        try {
            ForwardDigest.update(forward, SEED);
            TrainingDigest.update(training, SEED);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        digests.put("forward", HexFormat.of().formatHex(forward.digest()));
        digests.put("training", HexFormat.of().formatHex(training.digest()));
        SolveDigests.add(digests, SEED);
        return digests;
    }

    private static void update(MessageDigest digest, BlockFormat format, Random random, int rows) {
        float[] weights = weights(random, rows * COLUMNS);
        float[] importance = new float[COLUMNS];
        for (int i = 0; i < COLUMNS; i++) {
            importance[i] = random.nextInt(8) == 0 ? 0 : (float) StrictMath.exp(3 * random.nextGaussian());
        }
        byte[] blocks = new byte[Math.toIntExact(rows * format.encoding().bytes(COLUMNS))];
        float[] decoded = new float[weights.length];
        for (float[] given : Arrays.asList(null, importance)) {
            format.encode(weights, 0, rows, COLUMNS, given, 0, blocks, 0);
            digest.update(blocks);
            format.decode(blocks, 0, decoded.length, decoded, 0);
            update(digest, decoded);
            ErrorStats errors = new ErrorStats();
            errors.add(weights, 0, decoded, 0, rows, COLUMNS);
            digest.update(ByteBuffer.allocate(3 * Double.BYTES)
                    .putDouble(errors.rmse())
                    .putDouble(errors.relativeRmse())
                    .putDouble(errors.cosine())
                    .array());
        }
    }

    /** Over what a grid reads from blocks, and makes of other weights. */
    private static String digest(GridFormat grid) {
        MessageDigest digest = sha256();
        Random random = new Random(SEED);
        for (int pass = 0; pass < GRID_PASSES; pass++) {
            float[] weights = weights(random, GRID_ROWS * GRID_COLUMNS);
            byte[] blocks = new byte[Math.toIntExact(grid.type().bytes(weights.length))];
            BlockFormats.of(grid.type()).encode(weights, 0, GRID_ROWS, GRID_COLUMNS, null, 0, blocks, 0);
            float[] scales = new float[weights.length / grid.groupElements()];
            float[] offsets = new float[scales.length];
            byte[] levels = new byte[weights.length];
            grid.readGrid(blocks, 0, GRID_ROWS, GRID_COLUMNS, scales, offsets);
            grid.readLevels(blocks, 0, GRID_ROWS, GRID_COLUMNS, levels);
            digest.update(levels);
            float[] others = weights(random, weights.length);
            for (int column = 0; column < GRID_COLUMNS; column++) {
                int at = column * GRID_ROWS;
                int group = column / grid.groupElements() * GRID_ROWS;
                GridRounding.round(
                        grid.points(),
                        grid.uniform(),
                        others,
                        at,
                        GRID_ROWS,
                        scales,
                        group,
                        offsets,
                        group,
                        levels,
                        at,
                        others,
                        at);
            }
            update(digest, others);
            grid.writeLevels(levels, GRID_ROWS, GRID_COLUMNS, blocks, 0);
            digest.update(blocks);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static void update(MessageDigest digest, float[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * values.length);
        bytes.asFloatBuffer().put(values);
        digest.update(bytes.array());
    }

    /** Runs of 64 values of one kind each: like weights, with outliers, tiny, zero, all equal, thirds. */
    private static float[] weights(Random random, int count) {
        float[] weights = new float[count];
        for (int i = 0; i < count; i += 64) {
            int kind = random.nextInt(8);
            for (int j = i; j < i + 64; j++) {
                float normal = (float) random.nextGaussian();
                weights[j] = switch (kind) {
                    case 0 -> 0f;
                    case 1 -> 0.25f;
                    case 2 -> normal * 1e-38f;
                    case 3 -> normal * normal * normal * 5;
                    case 4 -> 0.1f * (random.nextInt(3) - 1);
                    default -> normal * 0.02f;
                };
            }
        }
        return weights;
    }

    /** SHA-256 in hexadecimal. */
    static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(sha256().digest(bytes));
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
