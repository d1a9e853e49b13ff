package io.sparkgguf.kernel;

import static io.sparkgguf.kernel.Lanes.INTS;
import static io.sparkgguf.kernel.Lanes.WIDTH;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Loads and stores of 8- and 16-bit elements as the int lanes of {@link Lanes#INTS}, and little-endian scalars in byte
 * arrays.
 *
 * <p>Bytes are loaded as a vector of bytes and reinterpreted: that is little-endian by the API's definition and, unlike
 * the loads of other types from byte arrays, exists on every JDK from 17 on.
 */
final class ByteLanes {
    /**
     * Whether kernels that handle single bytes have a vector form: with fewer than 8 lanes there is no vector of that
     * many bytes, and above 16 a half block no longer fills a vector.
     */
    static final boolean VECTORS = WIDTH == 8 || WIDTH == 16;

    /** As many bytes as an int vector has lanes; meaningful only with {@link #VECTORS}. */
    static final VectorSpecies<Byte> BYTES =
            VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, WIDTH * 8)));

    /** As many shorts as an int vector has lanes, and the bytes they occupy. */
    static final VectorSpecies<Short> SHORTS = VectorSpecies.of(short.class, VectorShape.forBitSize(WIDTH * 16));

    static final VectorSpecies<Byte> SHORT_BYTES = VectorSpecies.of(byte.class, VectorShape.forBitSize(WIDTH * 16));

    /** The bytes of a whole int vector. */
    static final VectorSpecies<Byte> INT_BYTES = VectorSpecies.of(byte.class, INTS.vectorShape());

    /** Lane i holds i. */
    static final IntVector LANE = IntVector.zero(INTS).addIndex(1);

    private static final VarHandle SHORT = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private ByteLanes() {}

    static int getShort(byte[] bytes, int at) {
        return (short) SHORT.get(bytes, at) & 0xffff;
    }

    static void putShort(byte[] bytes, int at, int value) {
        SHORT.set(bytes, at, (short) value);
    }

    static int getInt(byte[] bytes, int at) {
        return (int) INT.get(bytes, at);
    }

    static void putInt(byte[] bytes, int at, int value) {
        INT.set(bytes, at, value);
    }

    static long getLong(byte[] bytes, int at) {
        return (long) LONG.get(bytes, at);
    }

    static void putLong(byte[] bytes, int at, long value) {
        LONG.set(bytes, at, value);
    }

    /** One signed byte a lane. */
    static IntVector loadSigned(byte[] bytes, int at) {
        return (IntVector) ByteVector.fromArray(BYTES, bytes, at).castShape(INTS, 0);
    }

    /** One unsigned byte a lane. */
    static IntVector loadUnsigned(byte[] bytes, int at) {
        return loadSigned(bytes, at).and(0xff);
    }

    /** One 16-bit element a lane; the upper half of the lane is the sign. */
    static IntVector loadShorts(byte[] bytes, int at) {
        return (IntVector) ByteVector.fromArray(SHORT_BYTES, bytes, at)
                .reinterpretAsShorts()
                .castShape(INTS, 0);
    }

    /** Stores the low byte of every lane. */
    static void storeBytes(IntVector lanes, byte[] bytes, int at) {
        ((ByteVector) lanes.castShape(BYTES, 0)).intoArray(bytes, at);
    }

    /** Stores the low 16 bits of every lane. */
    static void storeShorts(IntVector lanes, byte[] bytes, int at) {
        ((ShortVector) lanes.castShape(SHORTS, 0)).reinterpretAsBytes().intoArray(bytes, at);
    }

    /** -1 in the lanes that are negative, else 0. */
    static IntVector negative(IntVector lanes) {
        return lanes.lanewise(VectorOperators.ASHR, 31);
    }
}
