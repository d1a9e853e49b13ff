package io.sparkgguf.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DigestTest {

    @ParameterizedTest
    @CsvSource({"'', ef46db3751d8e999", "abc, 44bc2cf5ad770999"})
    void givesTheKnownAnswersOfXxh64(String text, String expected) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        assertEquals(expected, Digest.hex(Digest.of(bytes, 0, bytes.length)));
        assertEquals(
                expected, Digest.hex(new Digest().update(bytes, 0, bytes.length).value()));
    }

    @Test
    void doesNotDependOnHowTheBytesAreCut() {
        byte[] bytes = new byte[10_000];
        new Random(1).nextBytes(bytes);
        long whole = Digest.of(bytes, 0, bytes.length);
        Random cuts = new Random(2);
        Digest digest = new Digest();
        for (int round = 0; round < 20; round++) {
            digest.reset();
            for (int at = 0; at < bytes.length; ) {
                int count = Math.min(bytes.length - at, cuts.nextInt(200));
                digest.update(bytes, at, count);
                at += count;
            }
            assertEquals(whole, digest.value(), "round " + round + " of seed 2");
        }
        bytes[5_000] ^= 1;
        assertNotEquals(whole, Digest.of(bytes, 0, bytes.length));
    }
}
