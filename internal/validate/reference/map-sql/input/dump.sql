-- MySQL dump
CREATE TABLE `users` (`id` int, `nick` varchar(64));
INSERT INTO `users` VALUES (1,'mila'),(2,'bram');
CREATE TABLE `msgs` (`id` int, `sender` int, `receiver` int, `at` int, `body` text);
INSERT INTO `msgs` VALUES (1,1,2,1685368980,'the crate\'s here'),(2,2,1,1685369040,'ok');
