package io.sparkgguf.format.safetensors;

import static io.sparkgguf.format.safetensors.SafetensorsFiles.entry;
import static io.sparkgguf.format.safetensors.SafetensorsFiles.read;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.TensorLocation;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsWriterTest {

    @Test
    void data_lands_where_the_header_says_however_it_is_cut() throws IOException {
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        try (SafetensorsWriter writer =
                new SafetensorsWriter(file, List.of(entry("a", DType.U8, 3), entry("b", DType.I16, 2)), Map.of())) {
            byte[] data = {9, 1, 2, 3, 4, 5, 6, 7};
            writer.write(data, 1, 1);
            writer.write(data, 2, 5);
            writer.write(data, 7, 1);
        }
        TensorLocation b = read(file.toByteArray()).tensors().get(1);
        assertArrayEquals(new byte[] {4, 5, 6, 7}, Arrays.copyOfRange(file.toByteArray(), (int) b.offset(), (int)
                (b.offset() + b.length())));
    }

    @Test
    void too_many_bytes_are_refused_at_once() throws IOException {
        SafetensorsWriter writer =
                new SafetensorsWriter(new ByteArrayOutputStream(), List.of(entry("a", DType.U8, 3)), Map.of());
        writer.write(new byte[2], 0, 2);
        assertEquals(
                "Cannot write 2 bytes after 2: the header promises 3",
                assertThrows(IllegalStateException.class, () -> writer.write(new byte[2], 0, 2))
                        .getMessage());
        assertEquals(
                "Cannot finish the safetensors file: 2 bytes of 3 were written",
                assertThrows(IllegalStateException.class, writer::close).getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"a", "__metadata__"})
    void refuses_a_name_that_is_taken(String name) {
        List<SafetensorsWriter.Entry> entries = List.of(entry("a", DType.U8, 1), entry(name, DType.U8, 1));
        assertEquals(
                "Cannot write tensor '" + name + "': the name is reserved or comes twice",
                assertThrows(IllegalArgumentException.class, () -> SafetensorsWriter.header(entries, Map.of()))
                        .getMessage());
    }
}
