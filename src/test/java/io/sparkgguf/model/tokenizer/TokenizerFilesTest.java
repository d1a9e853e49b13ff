package io.sparkgguf.model.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class TokenizerFilesTest {
    private final Memory storage = new Memory();

    @Test
    void readsWhatThereIs() throws IOException {
        storage.lengths.put("at/model/tokenizer.json", 3L);
        storage.lengths.put("at/model/config.json", 0L);
        storage.lengths.put("at/model/model.safetensors", 1L << 40);
        storage.lengths.put("at/model/additional_chat_templates/rag.jinja", 5L);
        storage.lengths.put("at/model/additional_chat_templates/readme.md", 5L);
        storage.lengths.put("at/other/tokenizer.model", 5L);
        TokenizerFiles files = TokenizerFiles.read(storage, "at/model");
        assertEquals(
                Set.of("tokenizer.json", "config.json", "additional_chat_templates/rag.jinja"),
                files.files().keySet());
        assertArrayEquals(new byte[] {0, 1, 2}, files.get("tokenizer.json").orElseThrow());
    }

    @Test
    void aFileOverItsLimitIsRefusedUnread() {
        storage.lengths.put("m/tokenizer.json", (128L << 20) + 1);
        assertEquals(
                "Cannot use tokenizer.json: it has 134217729 bytes, more than the limit of 134217728",
                assertThrows(InvalidInputException.class, () -> TokenizerFiles.read(storage, "m"))
                        .getMessage());
    }

    @Test
    void tooManyTemplatesAreRefused() {
        for (int i = 0; i < 65; i++) {
            storage.lengths.put("m/additional_chat_templates/" + i + ".jinja", 1L);
        }
        assertEquals(
                "Cannot use additional_chat_templates: more than 64 templates",
                assertThrows(InvalidInputException.class, () -> TokenizerFiles.read(storage, "m"))
                        .getMessage());
    }

    /** Files of given lengths whose byte at offset i is i. */
    private static final class Memory implements Storage {
        private static final long serialVersionUID = 1L;

        private final TreeMap<String, Long> lengths = new TreeMap<>();

        @Override
        public RangeReader open(String file) {
            long length = lengths.get(file);
            return new RangeReader() {
                @Override
                public String file() {
                    return file;
                }

                @Override
                public long length() {
                    return length;
                }

                @Override
                public void readFully(long offset, byte[] into, int at, int count) {
                    for (int i = 0; i < count; i++) {
                        into[at + i] = (byte) (offset + i);
                    }
                }

                @Override
                public void close() {}
            };
        }

        @Override
        public FileStatus status(String file) throws IOException {
            if (!exists(file)) {
                throw new FileNotFoundException(file);
            }
            return new FileStatus(file, !lengths.containsKey(file), lengths.getOrDefault(file, 0L), 0);
        }

        @Override
        public boolean exists(String file) {
            return lengths.containsKey(file) || !list(file).isEmpty();
        }

        @Override
        public List<FileStatus> list(String folder) {
            return lengths.entrySet().stream()
                    .filter(entry -> entry.getKey().startsWith(folder + '/'))
                    .map(entry -> new FileStatus(entry.getKey(), false, entry.getValue(), 0))
                    .toList();
        }

        @Override
        public void createFolder(String folder) {
            throw new UnsupportedOperationException();
        }

        @Override
        public OutputStream create(String file) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void rename(String from, String to) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void delete(String file) {
            throw new UnsupportedOperationException();
        }

        @Override
        public String resolve(String folder, String child) {
            return folder + '/' + child;
        }
    }
}
