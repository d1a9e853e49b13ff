package io.sparkgguf.storage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SequentialReaderTest {

    @Test
    void readsFieldsInOrderAcrossItsBuffers() throws IOException {
        byte[] bytes = new byte[3_000_000];
        Random random = new Random(7);
        random.nextBytes(bytes);
        ByteBuffer expected = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int start = 13;
        int end = bytes.length - 5;
        SequentialReader in = new SequentialReader(new BytesReader("f", bytes), "file", start, end);
        expected.position(start);
        int step = 0;
        while (in.remaining() > 1_000_000) {
            String place = "step " + step++ + " of seed 7";
            switch (random.nextInt(6)) {
                case 0 -> assertEquals(expected.get(), in.readByte("x"), place);
                case 1 -> assertEquals(expected.getShort(), in.readShort("x"), place);
                case 2 -> assertEquals(expected.getInt(), in.readInt("x"), place);
                case 3 -> assertEquals(expected.getLong(), in.readLong("x"), place);
                case 4 -> {
                    int count = random.nextInt(10) == 0 ? 300_000 : random.nextInt(5_000);
                    byte[] piece = new byte[count];
                    expected.get(piece);
                    assertArrayEquals(piece, in.readBytes(count, "x"), place);
                }
                default -> {
                    int count = random.nextInt(10) == 0 ? 300_000 : random.nextInt(5_000);
                    expected.position(expected.position() + count);
                    in.skip(count, "x");
                }
            }
            assertEquals(expected.position(), in.position(), place);
        }
        assertArrayEquals(
                Arrays.copyOfRange(bytes, expected.position(), end), in.readBytes((int) in.remaining(), "the rest"));
        assertEquals(0, in.remaining());
    }

    @Test
    void refusesWhatIsNotThereWithPlaceAndSizes() throws IOException {
        SequentialReader in = new SequentialReader(new BytesReader("a.bin", new byte[10]), "table", 0, 10);
        in.readInt("first");
        assertEquals(
                "Cannot read table a.bin at byte 4: the second takes 8 bytes, but only 6 are left (the file ends at byte 10)",
                assertThrows(InvalidInputException.class, () -> in.readLong("the second"))
                        .getMessage());
        assertEquals(
                "Cannot read table a.bin at byte 4: the third takes 2000000000 bytes, but only 6 are left (the file ends at byte 10)",
                assertThrows(InvalidInputException.class, () -> in.readBytes(2_000_000_000, "the third"))
                        .getMessage());
        assertEquals(
                "Cannot read table a.bin at byte 4: a gap takes 7 bytes, but only 6 are left (the file ends at byte 10)",
                assertThrows(InvalidInputException.class, () -> in.skip(7, "a gap"))
                        .getMessage());
        assertEquals(4, in.position(), "a refused read must not move on");
        in.skip(6, "the rest");
        assertEquals(0, in.remaining());
    }

    @Test
    void staysWithinItsPart() {
        BytesReader file = new BytesReader("a.bin", new byte[10]);
        SequentialReader in = new SequentialReader(file, "table", 2, 5);
        assertEquals(
                "Cannot read table a.bin at byte 2: x takes 4 bytes, but only 3 are left (the part ends at byte 5)",
                assertThrows(InvalidInputException.class, () -> in.readInt("x")).getMessage());
        assertThrows(IllegalArgumentException.class, () -> new SequentialReader(file, "table", 2, 11));
    }
}
